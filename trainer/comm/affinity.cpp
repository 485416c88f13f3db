#include "comm/affinity.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

namespace ebb::comm {

namespace {

std::string mask_text() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string text;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return "1";
  int last = CPU_SETSIZE - 1;
  while (last > 0 && !CPU_ISSET(last, &set)) --last;
  for (int core = 0; core <= last; ++core) text += CPU_ISSET(core, &set) ? '1' : '0';
  return text;
}

std::int64_t count(const std::string& mask) {
  return std::max<std::int64_t>(1, std::count(mask.begin(), mask.end(), '1'));
}

}  // namespace

Affinity measure_affinity() {
  return {std::max<std::int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN)), count(mask_text())};
}

std::int64_t suggested_threads(const World& world, double timeout_s) {
  const std::string mine = mask_text();
  std::string all;  // cores that some rank of this host may use
  std::int64_t here = 0;
  for (const std::string& text : world.gather_to_all(world.host() + " " + mine, timeout_s)) {
    const std::size_t space = text.rfind(' ');
    if (text.substr(0, space) != world.host()) continue;
    ++here;
    const std::string mask = text.substr(space + 1);
    all.resize(std::max(all.size(), mask.size()), '0');
    for (std::size_t i = 0; i < mask.size(); ++i)
      if (mask[i] == '1') all[i] = '1';
  }
  return std::clamp<std::int64_t>(count(all) / std::max<std::int64_t>(1, here), 1, count(mine));
}

std::string binding_warning(std::int64_t threads) {
  const Affinity affinity = measure_affinity();
  if (threads <= affinity.mask_cores) return "";
  return fmt::format(
      "{} threads share the {} of {} cores that this rank is bound to: start mpirun with --bind-to none, or "
      "use `ebb launch`",
      threads, affinity.mask_cores, affinity.host_cores);
}

}  // namespace ebb::comm

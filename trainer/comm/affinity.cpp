// SPDX-License-Identifier: Apache-2.0
#include "comm/affinity.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <compare>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/cpu_quota.h"

namespace ebb::comm {

namespace {

namespace fs = std::filesystem;

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

// The location of a core. Cores that are adjacent in this order share the most hardware.
struct Core {
  int node, package, core, number;
  auto operator<=>(const Core&) const = default;
};

int read_number(const fs::path& file) {
  int value = 0;
  std::ifstream(file) >> value;
  return value;
}

Core read_core(int number) {
  const fs::path folder = "/sys/devices/system/cpu/cpu" + std::to_string(number);
  Core core{0, read_number(folder / "topology/physical_package_id"), read_number(folder / "topology/core_id"),
            number};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (const std::string name = entry.path().filename(); name.starts_with("node"))
      core.node = std::atoi(name.c_str() + 4);
  return core;
}

std::int64_t count(const std::string& mask) {
  return std::max<std::int64_t>(1, std::count(mask.begin(), mask.end(), '1'));
}

}  // namespace

Affinity measure_affinity() {
  return {std::max<std::int64_t>(1, sysconf(_SC_NPROCESSORS_ONLN)), count(mask_text())};
}

std::int64_t threads_of_each(std::int64_t cores, double quota, std::int64_t ranks) {
  const std::int64_t usable = quota > 0 ? std::min(cores, static_cast<std::int64_t>(quota)) : cores;
  return std::max<std::int64_t>(1, usable / std::max<std::int64_t>(1, ranks));
}

CpuShare cpu_share(const World& world, double timeout_s) {
  const std::string mine = mask_text();
  const CpuQuota quota = read_cpu_quota();
  const std::string text = fmt::format("{} {} {}", world.host(), mine, quota.group);
  std::string all;  // cores that any rank of this host may use
  std::int64_t here = 0;
  bool same_masks = true;
  CpuShare share{.threads = 1, .quota = quota.cores, .sharing = 0, .cores = {}};
  for (const std::string& other : world.gather_to_all(text, timeout_s)) {
    std::istringstream fields(other);
    std::string host, mask, group;
    fields >> host >> mask;
    std::getline(fields >> std::ws, group);
    if (host != world.host()) continue;
    ++here;
    if (group == quota.group) ++share.sharing;
    same_masks = same_masks && mask == mine;
    all.resize(std::max(all.size(), mask.size()), '0');
    for (std::size_t i = 0; i < mask.size(); ++i)
      if (mask[i] == '1') all[i] = '1';
  }
  const std::int64_t each = count(all) / std::max<std::int64_t>(1, here);
  share.threads = std::min({threads_of_each(count(all), 0, here),
                            threads_of_each(count(all), quota.cores, share.sharing), count(mine)});
  if (!same_masks || here < 2 || each < 1) return share;
  std::vector<Core> cores;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] == '1') cores.push_back(read_core(static_cast<int>(i)));
  std::ranges::sort(cores);
  for (std::int64_t i = 0; i < each; ++i)
    share.cores.push_back(cores[static_cast<std::size_t>(world.local_rank() * each + i)].number);
  return share;
}

bool bind_to_cores(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(core, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

std::string binding_warning(std::int64_t threads) {
  const Affinity affinity = measure_affinity();
  if (threads <= affinity.mask_cores) return "";
  return fmt::format(
      "{} threads share the {} of {} cores that this rank is bound to. Start mpirun with --bind-to none, or "
      "use `ebb launch`",
      threads, affinity.mask_cores, affinity.host_cores);
}

std::string quota_warning(const CpuShare& share, std::int64_t threads) {
  const std::int64_t all = threads * share.sharing;
  if (share.quota == 0 ||
      static_cast<double>(all) <= std::max(share.quota, static_cast<double>(share.sharing)))
    return "";
  return fmt::format(
      "{} threads of {} rank{} share {:.3g} core{} that their control group allows, so the kernel halts "
      "them. "
      "Set parallel.threads to 0, or raise the container's CPU limit",
      all, share.sharing, share.sharing == 1 ? "" : "s", share.quota, share.quota == 1 ? "" : "s");
}

}  // namespace ebb::comm

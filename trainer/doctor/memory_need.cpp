// SPDX-License-Identifier: Apache-2.0
#include "doctor/memory_need.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "comm/affinity.h"
#include "doctor/outcomes.h"
#include "doctor/try_on_ranks.h"
#include "train/environment.h"
#include "train/memory_check.h"
#include "train/training_data.h"

namespace ebb::doctor {

Check check_memory_need(const train::Config& config, const comm::World& world, at::Device device,
                        const models::RunnerFactory& make_runner) {
  constexpr const char* kName = "plan";
  const double timeout_s = config.parallel.timeout_s;
  const std::int64_t share = comm::cpu_share(world, timeout_s).threads;
  at::set_num_threads(static_cast<int>(config.parallel.threads > 0 ? config.parallel.threads : share));
  const int size = config.parallel.ranks > 0 ? static_cast<int>(config.parallel.ranks) : world.size();
  std::string need;  // of this rank
  const std::vector<Outcome> outcomes = try_on_ranks(world, timeout_s, [&] {
    train::choose_kernels(config.run.isa);
    const train::Splits splits = train::open_splits(config, world);
    const train::CheckedPlan plan =
        train::check_memory(config, world, device, train::planned_run(config, splits, size, make_runner));
    if (plan.need)
      need = fmt::format("a rank needs {} at its peak, the {} of this host {}",
                         format_bytes(plan.need->of_rank()), plan.need->ranks,
                         format_bytes(plan.need->of_host()));
    if (plan.on_gpu)
      need = fmt::format("a rank needs {} of its GPU at its peak", format_bytes(plan.on_gpu->of_rank()));
    return plan.note;
  });
  const Check check =
      summarize(kName, outcomes, device.is_cuda() && need.empty() ? "on GPUs it is not planned" : need);
  const auto noted = std::ranges::find_if(outcomes, [](const Outcome& one) { return !one.found.empty(); });
  if (check.health == Health::fail || noted == outcomes.end()) return check;
  const std::size_t end = noted->found.find('\n');
  return {kName, Health::warn,
          fmt::format("rank {} on {}: {}", noted->rank, noted->host, noted->found.substr(0, end)),
          end == std::string::npos ? "" : noted->found.substr(noted->found.find_first_not_of(' ', end + 1)),
          ExitCode::ok};
}

}  // namespace ebb::doctor

// SPDX-License-Identifier: Apache-2.0
#include "train/utilization.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "numerics/matrix_rate.h"

namespace ebb::train {

double Utilization::of_step(double samples, double seconds) {
  if (rate_ <= 0 || seconds <= 0) return 0;
  const double reached = flops_per_sample_ * samples / seconds;
  rate_ = std::max(rate_, reached);
  return reached / rate_;
}

Utilization measure_utilization(const Config& config, const Environment& environment, models::Model& model) {
  const comm::World& world = environment.world;
  const double work = model.flops_per_sample();
  if (work == 0) return {};
  const auto dtype = config.precision.dtype;
  const int ranks_here = world.local_size();
  const double stored = numerics::stored_matrix_rate(dtype, environment.device, ranks_here);
  const memory::TemporaryUse temporary(environment.cache);
  (void)world.max_of_all(0, config.parallel.timeout_s);  // so that all begin at once
  const double measured = numerics::measure_matrix_rate(dtype, environment.device);
  if (world.local_rank() == 0 && measured > stored)
    numerics::store_matrix_rate(dtype, environment.device, ranks_here, measured);
  const std::string mine = fmt::format("{}", std::max(stored, measured));
  double all = 0;
  for (const std::string& one : world.gather_to_all(mine, config.parallel.timeout_s)) all += std::stod(one);
  return {work, all};
}

void store_rate(const Utilization& utilization, const Config& config, const comm::World& world,
                at::Device device) {
  const double of_rank = utilization.rate() / world.size();
  const auto dtype = config.precision.dtype;
  if (of_rank > numerics::stored_matrix_rate(dtype, device, world.local_size()))
    numerics::store_matrix_rate(dtype, device, world.local_size(), of_rank);
}

}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
#include "train/run_start.h"

#include <fmt/format.h>

namespace ebb::train {

namespace {

std::string cpu_notes(const Environment& environment) {
  std::string notes;
  if (const std::int64_t bound = environment.bound_cores; bound > 0)
    notes = fmt::format(" (pinned to {} core{} each)", bound, bound == 1 ? "" : "s");
  if (const double quota = environment.cpu_quota; quota > 0)
    notes += fmt::format(" (the control group allows {:.3g} core{})", quota, quota == 1 ? "" : "s");
  return notes;
}

}  // namespace

std::string describe_run(const Config& config, const Environment& environment, models::Model& model,
                         std::int64_t samples) {
  const comm::World& world = environment.world;
  const std::int64_t threads = environment.threads;
  const char* dtype = config.precision.dtype == numerics::Dtype::fp16   ? "fp16"
                      : config.precision.dtype == numerics::Dtype::bf16 ? "bf16"
                                                                        : "fp32";
  return fmt::format(
      "{}, {:.2f} M parameters, {}; {} {}, global batch {}\n"
      "  {} rank{} x {} thread{} on {}{}, tensors moved by {}",
      config.model.family().name, static_cast<double>(models::parameter_count(model)) / 1e6, dtype, samples,
      config.data.entry().sample_noun(config.data), config.data.batch, world.size(),
      world.size() == 1 ? "" : "s", threads, threads == 1 ? "" : "s",
      environment.device.is_cuda() ? "GPU" : "CPU", cpu_notes(environment),
      environment.communicator->backend());
}

telemetry::SampleUnit sample_unit(const Config& config, const core::SampleSpec& sample) {
  const models::ThroughputUnit& unit = config.model.family().throughput;
  if (unit.name.empty()) return {};
  return {unit.name, static_cast<double>(unit.per_sample(sample))};
}

}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "base/json.h"
#include "core/stateful.h"

namespace ebb::train {

// The position of the run. The order of samples, the latents and the learning rate are functions of (seed,
// step). The step therefore determines the data cursor, the generators' keys and the schedule.
class Cursor final : public core::Stateful {
 public:
  // `samples_per_step`: global batch x batches of a step.
  Cursor(std::int64_t seed, std::int64_t samples_per_step)
      : seed_(seed), samples_per_step_(samples_per_step) {}
  std::int64_t step = 0;  // steps done
  core::State state() override {
    return {{}, {{"step", step}, {"seed", seed_}, {"stream_position", step * samples_per_step_}}};
  }
  void restore(const nlohmann::json& values) override { step = whole_number(values.at("step")); }

 private:
  std::int64_t seed_, samples_per_step_;
};

}  // namespace ebb::train

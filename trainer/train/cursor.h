// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "base/json.h"
#include "core/stateful.h"

namespace ebb::train {

// The position of the run. The step determines the position in the stream of samples and the learning rate.
// Random numbers are functions of (seed, stream, index, sub-index): base/philox.h. A resumed run therefore
// needs no other state of the data, the random numbers and the schedule.
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

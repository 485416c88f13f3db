#pragma once
#include <cstdint>

#include "base/json.h"
#include "core/stateful.h"
#include "numerics/loss_scaler.h"

namespace ebb::train {

// The loss scaler as a part of a checkpoint.
class ScalerState final : public core::Stateful {
 public:
  explicit ScalerState(numerics::LossScaler& scaler) : scaler_(scaler) {}
  core::State state() override { return {{}, scaler_.state()}; }
  void restore(const nlohmann::json& values) override { scaler_.restore(values); }

 private:
  numerics::LossScaler& scaler_;
};

// Where the run is. The order of samples, the latents and the learning rate are functions of (seed, step), so
// this is the whole of the data cursor, the generators' keys and the schedule.
class Cursor final : public core::Stateful {
 public:
  explicit Cursor(std::int64_t seed, std::int64_t global_batch) : seed_(seed), global_batch_(global_batch) {}
  std::int64_t step = 0;  // steps done
  core::State state() override {
    return {{}, {{"step", step}, {"seed", seed_}, {"stream_position", step * global_batch_}}};
  }
  void restore(const nlohmann::json& values) override { step = whole_number(values.at("step")); }

 private:
  std::int64_t seed_, global_batch_;
};

}  // namespace ebb::train

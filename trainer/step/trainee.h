// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "core/phase.h"
#include "core/stateful.h"
#include "numerics/loss_scaler.h"
#include "optim/optimizer.h"
#include "optim/weight_average.h"
#include "parallel/gradient_reducer.h"

namespace ebb::step {

struct TraineePlan {
  optim::OptimizerConfig optimizer;
  optim::AverageConfig average;
  numerics::LossScaler scaler = numerics::LossScaler::fixed();
  std::int64_t bucket_bytes = 25 << 20;
  std::int64_t micro_batches = 1;
  std::int64_t steps = 1;    // of the whole run, where the learning rate's schedule ends by default
  std::int64_t samples = 1;  // of a step, for the schedules over samples
};

// Parameters that are trained together, with their optimizer, scaler and reducer. The constructor allocates
// all memory that is kept between steps. If there is a name, the owner tags in the ledger and the parts of a
// checkpoint begin with it: "discriminator.optimizer".
class Trainee {
 public:
  // The communicator must outlive the object; the constructor does not use it. Every rank must make the same
  // trainees: their reductions match by the order of parameters.
  Trainee(std::string name, std::vector<core::Parameter> parameters, const TraineePlan& plan,
          comm::Communicator& communicator);
  Trainee(const Trainee&) = delete;
  Trainee& operator=(const Trainee&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<core::Parameter>& parameters() const { return parameters_; }
  [[nodiscard]] optim::Optimizer& optimizer() { return optimizer_; }
  [[nodiscard]] numerics::LossScaler& scaler() { return scaler_; }
  [[nodiscard]] parallel::GradientReducer& reducer() { return reducer_; }
  [[nodiscard]] optim::Rates rates(std::int64_t step) const;  // at the global step, from 0
  // The values of its schedules beside the learning rate, by name, for the metrics.
  [[nodiscard]] std::vector<std::pair<std::string, double>> scheduled(std::int64_t step) const;
  // Null if the configuration asks for none.
  [[nodiscard]] optim::WeightAverage* average() { return average_ ? &*average_ : nullptr; }
  // Adds the weights after `step` to the average, if there is one.
  void update_average(std::int64_t step);
  // Returns its "optimizer", "scaler" and "average" (if it has one) as parts of a checkpoint.
  [[nodiscard]] std::map<std::string, core::Stateful*> parts();

 private:
  class ScalerState final : public core::Stateful {
   public:
    explicit ScalerState(numerics::LossScaler& scaler) : scaler_(scaler) {}
    core::State state() override { return {{}, scaler_.state()}; }
    void restore(const nlohmann::json& values) override { scaler_.restore(values); }

   private:
    numerics::LossScaler& scaler_;
  };

  std::string name_;
  std::vector<core::Parameter> parameters_;
  optim::OptimizerConfig config_;
  optim::AverageConfig average_config_;
  std::int64_t steps_, samples_;
  optim::Optimizer optimizer_;
  numerics::LossScaler scaler_;
  ScalerState scaler_state_{scaler_};
  parallel::GradientReducer reducer_;
  std::optional<optim::WeightAverage> average_;
};

// While it exists, no parameter of the other trainees requires a gradient, so none is computed or kept for
// them.
class FreezeGuard {
 public:
  FreezeGuard(const std::vector<Trainee*>& all, const Trainee& trained);
  ~FreezeGuard();
  FreezeGuard(const FreezeGuard&) = delete;
  FreezeGuard& operator=(const FreezeGuard&) = delete;

 private:
  std::vector<at::Tensor> frozen_;
};

}  // namespace ebb::step

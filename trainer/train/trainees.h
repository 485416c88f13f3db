// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <vector>

#include "checkpoint/store.h"
#include "models/model.h"
#include "step/step.h"
#include "step/trainee.h"
#include "train/config.h"
#include "train/training_data.h"

namespace ebb::train {

// The model and its trainees, one for each distinct PhasePlan::trainee of its phases. Parameters are
// undefined until set_initial_values() or a checkpoint sets them.
class Trainees {
 public:
  // `sample`: the fields of the dataset. Error(usage) if they do not fit the model. `communicator` must
  // outlive the object.
  Trainees(const Config& config, at::Device device, comm::Communicator& communicator,
           const core::SampleSpec& sample);

  void set_initial_values(const Config& config);
  [[nodiscard]] models::Model& model() { return *model_; }
  [[nodiscard]] std::vector<step::BoundPhase> bound_phases();
  [[nodiscard]] BatchPlan batch_plan();
  // While the result exists, trainees with an average have its weights.
  [[nodiscard]] std::vector<std::unique_ptr<optim::AverageScope>> averaged();
  // The model, and each trainee's optimizer, scaler and average.
  [[nodiscard]] checkpoint::Parts parts();

 private:
  [[nodiscard]] step::Trainee& trainee(const std::string& name);

  std::unique_ptr<models::Model> model_;
  std::vector<std::unique_ptr<step::Trainee>> trainees_;  // in the order of the phases
};

}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "comm/communicator.h"
#include "core/batch.h"
#include "core/unit.h"
#include "data/device_feed.h"
#include "data/evaluation_loader.h"
#include "models/family.h"
#include "models/model.h"

namespace ebb::train {

// The sum over the ranks, in rank order. Collective.
double sum_over_ranks(double mine, comm::Communicator& communicator, at::Device device, const char* what);

// Error(usage) if the model, of this family, has no bound. `draws`: evaluate.draws.
models::BoundEstimator& bound_estimator_of(models::Model& model, std::int64_t draws,
                                           const std::string& family);

// The importance-weighted bound of the model, as the mean over all samples of the split. It frees all its
// memory. Collective.
models::LikelihoodBound evaluate_bound(models::BoundEstimator& model, std::int64_t draws,
                                       core::UnitRunner& runner, data::EvaluationLoader& split,
                                       comm::Communicator& communicator, data::DeviceFeed& feed,
                                       at::Device device);
// Takes the memory of evaluate_bound() for this part of a split, of a model on the meta device.
void plan_bound(models::BoundEstimator& model, std::int64_t draws, core::UnitRunner& runner,
                const core::Batch& part);

}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>

#include "core/batch.h"
#include "core/unit.h"

namespace ebb::models {

// Estimates log p(x) of a model with a latent code z: p(x) is the mean of p(x|z) p(z) / q(z|x) over z ~ q.
class BoundEstimator {
 public:
  virtual ~BoundEstimator() = default;
  // The importance-weighted lower bound of log p(x) of each sample, in nats: [B] fp64 on the CPU, the
  // logarithm of that mean over `draws` codes (Burda et al., "Importance weighted autoencoders", 2016). With
  // one draw its expectation is the evidence lower bound; more draws raise the expectation. Weights of the
  // loss, such as that of a KL term, do not enter it.
  //
  // The noise of a code is a function of the run's seed, the sample's position in the stream and the number
  // of the draw. The result therefore depends neither on the ranks nor on the batches. It computes one draw
  // at a time, without gradients. Error(internal) if `draws` is below 1. Of a model on the meta device it is
  // there (on_host).
  virtual at::Tensor log_likelihood_bound(const core::Batch& batch, std::int64_t draws,
                                          core::UnitRunner& runner) = 0;
  // Whether p(x|z) is the probability of one of finitely many values, not a density. Only then are bits per
  // dimension a code length.
  [[nodiscard]] virtual bool is_discrete() const = 0;
  [[nodiscard]] virtual std::int64_t dimensions() const = 0;  // of a sample: its numbers
};

}  // namespace ebb::models

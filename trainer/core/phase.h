#pragma once
#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

#include "core/batch.h"
#include "core/unit.h"

namespace ebb::core {

// What a forward pass gives. `loss` is a scalar fp32 tensor with a graph, the sum over this rank's samples
// divided by batch.global_batch, so that the sum over ranks and micro-batches is the mean. `parts` are
// detached fp32 scalars of the same scale, reported apart by name.
struct Loss {
  at::Tensor loss;
  std::vector<std::pair<std::string, at::Tensor>> parts;
};

// A part of a training task with its own parameters and loss. A VAE has one, a GAN two.
class Phase {
 public:
  virtual ~Phase() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  virtual std::vector<Unit*> units() = 0;
  virtual Loss forward(const Batch& batch, UnitRunner& runner) = 0;
};

}  // namespace ebb::core

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

namespace ebb::memory {

// While it exists, backward on the meta device sums the gradients of one tensor in place, as on the CPU and
// on GPUs. The sum goes into the first gradient, if nothing else refers to it. Autograd itself makes a new
// tensor for such a sum on the meta device. The account of a tied weight would have one gradient too many.
// Backward must run on the thread that made it. One at a time in a process.
// Source: torch/csrc/autograd/input_buffer.cpp, accumulate(), and ATen/TensorSubclassLikeUtils.h.
class InPlaceGradientSums {
 public:
  InPlaceGradientSums();
  ~InPlaceGradientSums();
  InPlaceGradientSums(const InPlaceGradientSums&) = delete;
  InPlaceGradientSums& operator=(const InPlaceGradientSums&) = delete;

 private:
  struct Registration;
  std::unique_ptr<Registration> registration_;
};

}  // namespace ebb::memory

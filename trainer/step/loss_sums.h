// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "core/phase.h"

namespace ebb::step {

// Sums the losses of a phase over micro-batches on the device, without copies to the host.
class LossSums {
 public:
  void add(const core::Loss& loss);
  void free_values() { values_ = sums_ = at::Tensor(); }                          // keeps the names
  [[nodiscard]] const at::Tensor& values() const { return values_; }              // [1 + terms] fp64
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }  // of the terms
  [[nodiscard]] const at::Tensor& sums() const { return sums_; }  // of core::Loss::sums, [k] fp64, k >= 0
  [[nodiscard]] const std::vector<std::string>& parts() const {
    return parts_;
  }  // names of core::Loss::parts

 private:
  at::Tensor values_, sums_;
  std::vector<std::string> names_, parts_;
};

}  // namespace ebb::step

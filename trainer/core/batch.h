// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/sample.h"

namespace ebb::core {

at::ScalarType scalar_type(ElementType type);

// This rank's part of one micro-batch. The tensors view memory of a loader's slot. The slot becomes free when
// the last of them is destroyed.
struct Batch {
  struct Field {
    std::string name;
    at::Tensor tensor;  // [B, ...], each sample of its FieldSpec's shape and type, on the run's device
  };
  std::vector<Field> fields;  // at least one
  at::Tensor ids;             // [B] int64 on the CPU: index of each sample in its dataset
  std::int64_t step = 0;      // training step that the batch belongs to, from 0
  // Position of the first sample in the endless stream. It keys the random numbers.
  std::int64_t position = 0;
  // Samples of the global batch that this micro-batch belongs to, over all ranks. Losses are divided by it.
  std::int64_t global_batch = 0;
  // Factor of a loss that Phase::forward itself passes to backward(). Step applies it to Loss::loss.
  double loss_scale = 1;

  // Error(internal) lists the existing fields.
  [[nodiscard]] const at::Tensor& field(std::string_view name) const;
  [[nodiscard]] std::int64_t size() const { return fields.front().tensor.size(0); }  // B
};

}  // namespace ebb::core

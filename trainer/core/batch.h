#pragma once
#include <ATen/ATen.h>

#include <cstdint>

namespace ebb::core {

// This rank's part of one micro-batch. Tensors belong to the batch; the loader's slot is free again once the
// batch is gone.
struct Batch {
  at::Tensor samples;     // [B, ...], each of the dataset's SampleShape, on the run's device
  at::Tensor ids;         // [B] int64 on the CPU: global sample ids, what the order drew
  std::int64_t step = 0;  // optimizer step that the batch belongs to, from 0
  std::int64_t position =
      0;  // place of its first sample in the endless stream of samples: random numbers are keyed by it
  std::int64_t global_batch =
      0;  // samples of the whole step over all ranks and micro-batches: losses divide by it
  [[nodiscard]] std::int64_t size() const { return samples.size(0); }
};

}  // namespace ebb::core

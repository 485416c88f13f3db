// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <optional>
#include <vector>

#include "core/batch.h"

namespace ebb::data {

// Copies batches to the device on a stream of its own. A copy waits for no kernel, and only readers of the
// batch wait for the copy. Holds the slot that it copies from until the copy is finished. On the CPU it does
// nothing. For one thread.
class DeviceFeed {
 public:
  explicit DeviceFeed(at::Device device);
  // Waits until the last copy is finished and releases its slot. Call it before the loader's next(): the
  // loader counts the slots that its caller holds.
  void finish_copy();
  // Replaces the batch's fields by tensors on the device (class data, owner "batch"). Later work of the
  // current stream runs after the copy.
  void start_copy(core::Batch& batch);

 private:
  struct Copy {
    std::vector<core::Batch::Field> source;
    c10::Event finished;
  };
  at::Device device_;
  std::optional<c10::Stream> stream_;
  std::optional<Copy> copy_;
};

}  // namespace ebb::data

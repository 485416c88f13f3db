#pragma once
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <optional>
#include <vector>

#include "core/batch.h"

namespace ebb::data {

// Brings batches to the device on a stream of its own, so that a copy waits for nothing that is computed and
// nothing waits for it but what reads it. Holds the slot that is copied from until the copy is made. On the
// CPU it does nothing.
class DeviceFeed {
 public:
  explicit DeviceFeed(at::Device device);
  // Waits until the last copy is made and lets go of its slot. Call before another batch is asked for: the
  // loader counts the slots in its caller's hands.
  void settle();
  // The batch with its fields on the device (class data, owner "batch"); what the current stream does next
  // comes after the copy.
  void bring(core::Batch& batch);

 private:
  struct Copy {
    std::vector<core::Batch::Field> source;
    c10::Event made;
  };
  at::Device device_;
  std::optional<c10::Stream> stream_;
  std::optional<Copy> copy_;
};

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "data/device_feed.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "memory/ledger.h"

namespace ebb::data {

DeviceFeed::DeviceFeed(at::Device device) : device_(device) {
  if (!device.is_cuda()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

void DeviceFeed::finish_copy() {
  if (!copy_) return;
  copy_->finished.synchronize();
  copy_.reset();
}

void DeviceFeed::start_copy(core::Batch& batch) {
  if (!stream_) return;
  finish_copy();
  const c10::Stream computing = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  copy_.emplace(Copy{batch.fields, c10::Event(device_.type())});
  {
    // Under the guard the allocator returns a block that this stream has freed, so no kernel still reads it.
    const c10::StreamGuard guard(*stream_);
    const memory::Tag tag(memory::Class::data, "batch");
    for (core::Batch::Field& field : batch.fields)
      field.tensor = field.tensor.to(device_, /*non_blocking=*/true);
    copy_->finished.record(*stream_);
  }
  copy_->finished.block(computing);
  for (const core::Batch::Field& field : batch.fields) field.tensor.record_stream(computing);
}

}  // namespace ebb::data

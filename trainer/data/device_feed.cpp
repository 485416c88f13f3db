#include "data/device_feed.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "memory/ledger.h"

namespace ebb::data {

DeviceFeed::DeviceFeed(at::Device device) : device_(device) {
  if (!device.is_cuda()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

void DeviceFeed::settle() {
  if (!copy_) return;
  copy_->made.synchronize();
  copy_.reset();
}

void DeviceFeed::bring(core::Batch& batch) {
  if (!stream_) return;
  settle();
  const c10::Stream computing = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  copy_.emplace(Copy{batch.fields, c10::Event(device_.type())});
  {
    // Under the guard the block is one that this stream has freed, which no kernel still reads.
    const c10::StreamGuard guard(*stream_);
    const memory::Tag tag(memory::Class::data, "batch");
    for (core::Batch::Field& field : batch.fields)
      field.tensor = field.tensor.to(device_, /*non_blocking=*/true);
    copy_->made.record(*stream_);
  }
  copy_->made.block(computing);
  for (const core::Batch::Field& field : batch.fields) field.tensor.record_stream(computing);
}

}  // namespace ebb::data

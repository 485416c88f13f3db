// SPDX-License-Identifier: Apache-2.0
#include "train/dry_data.h"

#include <ATen/ATen.h>

#include <utility>

#include "memory/tag.h"

namespace ebb::train {

using memory::Ledger;

core::Batch dry_batch(const core::SampleSpec& sample, std::int64_t count, std::int64_t global_batch) {
  core::Batch batch;
  for (const core::FieldSpec& field : sample.fields) {
    std::vector<std::int64_t> dims{count};
    dims.insert(dims.end(), field.dims.begin(), field.dims.end());
    batch.fields.push_back(
        {field.name,
         at::empty(dims, at::TensorOptions().dtype(core::scalar_type(field.type)).device(at::kMeta))});
  }
  batch.ids = at::empty({count}, at::TensorOptions().dtype(at::kLong).device(at::kMeta));
  batch.global_batch = global_batch;
  return batch;
}

core::Batch DryFeed::copy(core::Batch batch) {
  const memory::Tag tag(memory::Class::data, "batch");
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (core::Batch::Field& field : batch.fields) {
    field.tensor = at::empty_like(field.tensor);
    blocks.emplace_back(segments_.allocate(field.tensor.nbytes()), field.tensor.nbytes());
  }
  for (const auto& [block, bytes] : blocks) segments_.deallocate(block, bytes);
  return batch;
}

Reservation::~Reservation() {
  for (const auto& block : blocks_) ledger_.forget(block.get(), Ledger::Location::host);
}

void Reservation::add(std::int64_t count, std::int64_t bytes, memory::Class cls, const char* owner) {
  for (std::int64_t i = 0; i < count && bytes > 0; ++i) {
    blocks_.push_back(std::make_unique<char>());
    ledger_.record(blocks_.back().get(), bytes, Ledger::Location::host, cls, owner);
    bytes_ += bytes;
  }
}

}  // namespace ebb::train

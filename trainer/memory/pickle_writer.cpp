// SPDX-License-Identifier: Apache-2.0
#include "memory/pickle_writer.h"

namespace ebb::memory {
namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10;
constexpr int kBatch = 1000;

}  // namespace

PickleWriter::PickleWriter(AtomicFile& file) : file_(file) {
  block_.reserve(kBlock + 64);
  put("\x80\x02");
}

void PickleWriter::begin_dict() {
  put("}(");
}
void PickleWriter::end_dict() {
  put("u");
}
void PickleWriter::begin_list() {
  put("](");
  items_.push_back(0);
}
void PickleWriter::end_list() {
  put("e");
  items_.pop_back();
}

void PickleWriter::next_item() {
  if (++items_.back() <= kBatch) return;
  put("e(");
  items_.back() = 1;
}

void PickleWriter::text(std::string_view value) {
  const auto found = texts_.find(value);
  if (found != texts_.end()) {
    recall(found->second);
    return;
  }
  put("X");
  put_number(value.size(), 4);
  put(value);
  texts_.emplace(value, remember());
}

void PickleWriter::integer(std::int64_t value) {
  if (value == static_cast<std::int32_t>(value)) {
    put("J");
    put_number(static_cast<std::uint64_t>(value), 4);
  } else {
    put("\x8a\x08");
    put_number(static_cast<std::uint64_t>(value), 8);
  }
}

void PickleWriter::boolean(bool value) {
  put(value ? "\x88" : "\x89");
}

void PickleWriter::pair(std::int64_t first, std::int64_t second) {
  integer(first);
  integer(second);
  put("\x86");
}

std::uint32_t PickleWriter::remember() {
  put("r");
  put_number(remembered_, 4);
  return remembered_++;
}

void PickleWriter::recall(std::uint32_t remembered) {
  put("j");
  put_number(remembered, 4);
}

void PickleWriter::finish() {
  put(".");
  file_.append(block_);
  block_.clear();
}

void PickleWriter::put(std::string_view bytes) {
  block_ += bytes;
  if (block_.size() < kBlock) return;
  file_.append(block_);
  block_.clear();
}

void PickleWriter::put_number(std::uint64_t value, int bytes) {
  char little[8];
  for (int i = 0; i < bytes; ++i) little[i] = static_cast<char>(value >> (8 * i));
  put({little, static_cast<std::size_t>(bytes)});
}

}  // namespace ebb::memory

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"

namespace ebb::checkpoint {

// The safetensors format: u64 N (little-endian), N bytes of JSON header, the buffer.
// docs/checkpoint-format.md has the rules.
// A tensor on a device or with strides is copied through a buffer of this size.
inline constexpr std::int64_t kStagingBytes = 4 << 20;

struct TensorEntry {
  std::string name;
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0, end = 0;  // bytes, relative to the buffer
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
using Metadata = std::map<std::string, std::string>;

struct WrittenFile {
  std::int64_t bytes = 0;
  std::string xxh3;  // of the whole file, computed during the write
};

// Returns "F16", "BF16", … for the dtypes of a checkpoint: fp16, bf16, fp32, fp64, int64, int32, int16,
// uint8, bool. Error(checkpoint) for another one.
std::string_view dtype_name(at::ScalarType dtype);

// Writes the tensors one after another, wider elements first, then by name, so that each one is aligned. The
// file is durable when it returns (temporary file, fsync, rename). It uses at most kStagingBytes of memory
// (class checkpoint).
WrittenFile write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                              const Metadata& metadata);

// An open file with a valid header. Its dtypes are known, its lengths agree with its shapes, it has no holes
// or overlaps, and each name occurs once. The size of the file agrees with the header. Otherwise
// Error(checkpoint) names path and reason.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  [[nodiscard]] const std::vector<TensorEntry>& entries() const { return entries_; }  // by offset
  [[nodiscard]] const TensorEntry* find(std::string_view name) const;                 // null: not here
  [[nodiscard]] const Metadata& metadata() const { return metadata_; }
  // Reads a tensor into `into`, which has the entry's dtype and shape, on any device and with any strides.
  void read(const TensorEntry& entry, const at::Tensor& into) const;

 private:
  std::filesystem::path path_;
  ReadFile file_;
  std::int64_t buffer_start_ = 0;
  std::vector<TensorEntry> entries_;
  std::vector<std::size_t> by_name_;  // places in entries_, in the order of names
  Metadata metadata_;
};

}  // namespace ebb::checkpoint

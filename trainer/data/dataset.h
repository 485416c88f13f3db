// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/sample.h"

namespace ebb::data {

// Memory for one sample: a span for each field, in the order of SampleSpec::fields, each FieldSpec::bytes()
// long.
using SampleBytes = std::span<const std::span<std::byte>>;

// Samples by index. Only one thread at a time may use it. The loader owns its dataset.
class Dataset {
 public:
  virtual ~Dataset() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;             // samples
  [[nodiscard]] virtual const core::SampleSpec& spec() const = 0;  // the same for every sample
  // Bytes that it has taken from its BlockAllocator, such as a cache, and those of them that it has written.
  [[nodiscard]] virtual std::int64_t cache_bytes() const { return 0; }
  [[nodiscard]] virtual std::int64_t written_cache_bytes() const { return 0; }
  // Writes sample `index` into `out`. Error(data) names file, sample, offset and fault. Error(internal) for
  // an invalid index or spans of other lengths.
  virtual void read(std::int64_t index, SampleBytes out) = 0;
  // Identifies the contents, wherever they lie: XXH3 of the number and spec of the samples, and of 16 samples
  // spread evenly. 16 hexadecimal digits. Error(data) as read().
  [[nodiscard]] virtual std::string digest();
};

// Error(internal) unless `index` is in [0, size) and `out` fits the spec. `what` names the dataset.
void require_readable(const std::string& what, std::int64_t index, std::int64_t size,
                      const core::SampleSpec& spec, SampleBytes out);

// Memory that a dataset keeps for its lifetime, such as a cache. `bytes` are valid while `owner` exists.
struct Block {
  std::span<std::byte> bytes;
  std::shared_ptr<void> owner;
};
inline constexpr const char* kShardCache = "shard cache";  // the purpose of unpacked shards
// Allocates such memory. `purpose` is a literal that names it in the ledger. Throws Error(memory).
using BlockAllocator = std::function<Block(std::size_t bytes, const char* purpose)>;
Block allocate_on_heap(std::size_t bytes, const char* purpose);  // outside of any ledger

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "config/section.h"
#include "data/format.h"

namespace ebb::data {

struct CacheConfig {
  std::int64_t ram = std::int64_t{256} << 20;  // bytes for unpacked shards; used where shards are compressed
  void describe(config::Section& s);
};

// The `data` section.
struct DataConfig {
  const Formats* formats = &builtin_formats();  // that `format` may name; they outlive the configuration

  std::string source;  // folder of the dataset; each format says what lies in it
  std::string format = formats->front().name;
  std::int64_t context = 256;      // tokens of a window
  std::string tokenizer = "none";  // see tokenizer.h
  std::int64_t batch = 256;        // global batch, over all ranks and micro-batches
  std::int64_t micro_batches = 1;
  bool shuffle = true;
  std::int64_t prefetch = 4;  // micro-batches read ahead
  CacheConfig cache;

  void describe(config::Section& s);
  [[nodiscard]] const Format& entry() const { return find_format(*formats, format); }
  [[nodiscard]] bool brings(std::string_view field) const { return entry().brings(field); }
};

}  // namespace ebb::data

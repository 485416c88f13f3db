// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "config/section.h"
#include "data/format.h"

namespace ebb::data {

// The largest data.micro_batches.
inline constexpr std::int64_t kMostMicroBatches = 1 << 20;

struct CacheConfig {
  std::int64_t ram = std::int64_t{256} << 20;  // bytes for unpacked shards; used if shards are compressed
  void describe(config::Section& s);
};

// The `data` section.
struct DataConfig {
  // `known`: what data.format may name, at least one; the first is chosen.
  explicit DataConfig(Formats known) : formats(std::move(known)), format(formats.front().name) {}

  Formats formats;
  std::string source;  // folder of the dataset; its contents depend on the format
  std::string format;
  std::int64_t context = 256;                     // tokens of a window
  std::string tokenizer = "none";                 // see tokenizer.h
  std::int64_t batch = 256;                       // global batch, over all ranks and micro-batches
  std::optional<std::int64_t> micro_batches = 1;  // empty: auto, until the run chooses a number
  bool shuffle = true;
  std::int64_t prefetch = 4;  // micro-batches read ahead
  CacheConfig cache;

  void describe(config::Section& s);
  // Micro-batches of a step; 1 while `auto` is undecided.
  [[nodiscard]] std::int64_t micro_batch_count() const { return micro_batches.value_or(1); }
  [[nodiscard]] const Format& entry() const { return find_format(formats, format); }
  [[nodiscard]] bool provides(std::string_view field) const { return entry().provides(field); }
};

}  // namespace ebb::data

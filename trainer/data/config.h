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

// How pictures become samples of one shape (data/pictures/keys.h).
struct PictureConfig {
  std::optional<std::int64_t> size;  // of both sides, in pixels; empty: as they are stored
  bool crop = false;                 // to the square in the middle
  std::int64_t channels = 3;         // 1, 3 or 4
};

// Where arrays of four axes have their channels (data/arrays/images.h).
enum class ArrayLayout : std::uint8_t { automatic, channels_first, channels_last };

// The `data` section.
struct DataConfig {
  // `known`: what data.format may name, at least one; the first is chosen.
  explicit DataConfig(Formats known) : formats(std::move(known)), format(formats.front().name) {}

  Formats formats;
  std::string source;              // folder of the dataset; its contents depend on the format
  std::string format;              // the name of one, or kAutoFormat until resolve_format()
  std::int64_t context = 256;      // tokens of a window
  std::string tokenizer = "none";  // see tokenizer.h
  PictureConfig pictures;
  ArrayLayout layout = ArrayLayout::automatic;
  double test_share = 0;     // of the samples, for a source without splits (test_share.h)
  std::int64_t batch = 256;  // global batch, over all ranks and micro-batches
  std::optional<std::int64_t> micro_batches = 1;  // empty: auto, until the run chooses a number
  bool shuffle = true;
  std::int64_t prefetch = 4;  // micro-batches read ahead
  CacheConfig cache;

  void describe(config::Section& s);
  // Micro-batches of a step; 1 while `auto` is undecided.
  [[nodiscard]] std::int64_t micro_batch_count() const { return micro_batches.value_or(1); }
  // The format. Error(usage) if it is `auto` and no format recognizes data.source.
  [[nodiscard]] const Format& entry() const;
  // Replaces `auto` by the name of the format. Errors as of entry().
  void resolve_format() { format = entry().name; }
  [[nodiscard]] bool provides(std::string_view field) const { return entry().provides(field); }
};

}  // namespace ebb::data

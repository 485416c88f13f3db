#pragma once
#include <cstdint>
#include <string>

#include "config/section.h"

namespace ebb::data {

enum class Format { mds, tokens, raw_u16 };

struct CacheConfig {
  std::int64_t ram = std::int64_t{256} << 20;  // bytes of unpacked shards kept; only compressed ones need it
  void describe(config::Section& s);
};

// The `data` section.
struct DataConfig {
  std::string source;  // folder with a subfolder a split: train, test; or train.bin and test.bin of tokens
  Format format = Format::mds;
  std::int64_t context = 256;      // tokens of a window
  std::string tokenizer = "none";  // see tokenizer.h
  std::int64_t batch = 256;        // global batch, over all ranks and micro-batches
  std::int64_t micro_batches = 1;
  bool shuffle = true;
  std::int64_t prefetch = 4;  // micro-batches read ahead
  CacheConfig cache;
  void describe(config::Section& s);
  [[nodiscard]] bool is_text() const { return format != Format::mds; }
};

}  // namespace ebb::data

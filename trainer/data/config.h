#pragma once
#include <cstdint>
#include <string>

#include "config/section.h"

namespace ebb::data {

enum class Format { mds };

struct DataConfig {
  std::string source;            // folder with a subfolder a split: train, test
  Format format = Format::mds;
  std::int64_t batch = 256;      // global batch, over all ranks and micro-batches
  std::int64_t micro_batches = 1;
  bool shuffle = true;
  std::int64_t prefetch = 4;
  void describe(config::Section& s);
};

}  // namespace ebb::data

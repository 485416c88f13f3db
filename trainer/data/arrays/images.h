// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "data/arrays/array_file.h"
#include "data/config.h"

namespace ebb::data {

// How the axes of an array are read.
struct ArrayImages {
  std::int64_t samples = 0, channels = 1, height = 0, width = 0;
  bool channels_last = false;
  const char* axes = "N,H,W";                                                     // or "N,C,H,W" or "N,H,W,C"
  [[nodiscard]] std::int64_t bytes() const { return channels * height * width; }  // of one
};

// The reading of an array as images: uint8 or bool; [N,H,W], or four axes with 1, 3 or 4 channels where
// `layout` says or, if it is automatic, where they can be. Error(data) names the array and the remedy: for
// another type, other axes, no samples, Fortran's order, and axes of which both readings are possible.
ArrayImages read_as_images(const StoredArray& array, ArrayLayout layout);

// Error(data) unless the array has integers in the shape (samples,) or (samples, 1).
void require_labels(const StoredArray& array, std::int64_t samples);

}  // namespace ebb::data

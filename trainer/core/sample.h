#pragma once
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

namespace ebb::core {

// What one sample of a dataset is to a model: an image, [C, H, W] of uint8, or a window of a text, [T + 1] of
// int32 (T tokens, and for each the one that follows it).
struct SampleShape {
  c10::ScalarType dtype = c10::kByte;
  std::vector<std::int64_t> dims;

  static SampleShape image(std::int64_t channels, std::int64_t height, std::int64_t width) {
    return {c10::kByte, {channels, height, width}};
  }
  static SampleShape window(std::int64_t tokens) { return {c10::kInt, {tokens + 1}}; }

  [[nodiscard]] bool is_window() const { return dtype == c10::kInt; }
  [[nodiscard]] std::int64_t tokens() const { return is_window() ? dims[0] - 1 : 0; }  // T
  [[nodiscard]] std::int64_t bytes() const {
    return std::accumulate(dims.begin(), dims.end(), static_cast<std::int64_t>(c10::elementSize(dtype)),
                           std::multiplies<>());
  }
  // Of `count` samples in one tensor: [count, ...].
  [[nodiscard]] std::vector<std::int64_t> batch(std::int64_t count) const {
    std::vector<std::int64_t> all = {count};
    all.insert(all.end(), dims.begin(), dims.end());
    return all;
  }
  friend bool operator==(const SampleShape&, const SampleShape&) = default;
};

}  // namespace ebb::core

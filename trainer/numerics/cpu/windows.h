// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "numerics/cpu/convolution.h"
#include "numerics/cpu/image_blocks.h"
#include "numerics/cpu/tiles.h"

namespace ebb::numerics::cpu {

// Rounds a part of the workspace up, so that the next part is aligned to a vector.
inline std::int64_t aligned(std::int64_t floats) {
  return (floats + 15) / 16 * 16;
}

// The three products of a convolution over the windows of a few big images, on one thread:
//   reduce  small [n * pixels, small_c] = windows W^T
//   spread  windows += small W
//   outer   dw [small_c, row] += small^T windows
// With tiles the windows are read in the padded images. Without them, or if a line of a window is shorter
// than a vector, windows are copied into rows for BLAS.
class Windows {
 public:
  // Sizes and method for a geometry; the same for all slots.
  struct Layout {
    explicit Layout(const Geometry& geometry);
    [[nodiscard]] std::int64_t floats(std::int64_t samples) const;
    [[nodiscard]] std::int64_t floats_per_sample() const;
    [[nodiscard]] std::int64_t packed_floats(bool spread) const;
    // weight [small_c, row] -> the form that reduce or spread reads
    void pack(const float* weight, bool spread, float* packed) const;
    Geometry g;
    const Tiles* tiles;  // null: rows are written out
    Runs runs;
  };

  // `space` holds layout.floats(samples).
  Windows(const Layout& layout, std::int64_t samples, float* space);
  void clear();  // call before spread(), and before set_image() after a spread()
  void set_image(std::int64_t i, const float* image);  // sets image i to `image` [big pixels, big_c]
  void get_image(std::int64_t i, float* image);        // image i, as spread() made it
  void reduce(std::int64_t n, const float* packed, float* small) const;
  void spread(std::int64_t n, const float* packed, const float* small);
  void outer(std::int64_t n, const float* small, float* dw) const;

 private:
  [[nodiscard]] float* padded(std::int64_t i) const { return padded_ + i * aligned(padded_size(layout_.g)); }
  const Layout& layout_;
  std::int64_t samples_;
  float* padded_;   // with tiles one image per sample, else one
  float* rows_;     // without tiles
  float** row_at_;  // with tiles
  float* scratch_;  // with tiles
};

}  // namespace ebb::numerics::cpu

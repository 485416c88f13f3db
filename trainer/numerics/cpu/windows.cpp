// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/windows.h"

#include <algorithm>

#include "numerics/cpu/gemm.h"

namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kShortestRun = 16;
constexpr std::int64_t kPointerFloats = 2;  // floats that take the size of a pointer
static_assert(sizeof(float*) == kPointerFloats * sizeof(float));

}  // namespace

Windows::Layout::Layout(const Geometry& geometry)
    : g(geometry),
      tiles(geometry.kw * geometry.big_c >= kShortestRun ? avx512_tiles() : nullptr),
      runs{geometry.kh, geometry.kw * geometry.big_c,
           (geometry.big_w + 2 * geometry.padding) * geometry.big_c} {}

std::int64_t Windows::Layout::floats_per_sample() const {
  return tiles != nullptr ? aligned(padded_size(g)) + kPointerFloats * small_pixels(g)
                          : small_pixels(g) * row_length(g);
}

std::int64_t Windows::Layout::floats(std::int64_t samples) const {
  return aligned(samples * floats_per_sample()) +
         (tiles != nullptr ? outer_scratch(g.small_c) : aligned(padded_size(g)));
}

std::int64_t Windows::Layout::packed_floats(bool spread) const {
  if (tiles == nullptr) return aligned(g.small_c * row_length(g));
  return spread ? runs.runs * panels(runs.run) * kPanel * g.small_c
                : panels(g.small_c) * kPanel * row_length(g);
}

void Windows::Layout::pack(const float* weight, bool spread, float* packed) const {
  const std::int64_t length = row_length(g);
  if (tiles == nullptr) {
    std::copy_n(weight, g.small_c * length, packed);
  } else if (spread) {
    for (std::int64_t i = 0; i < runs.runs; ++i)
      for (std::int64_t j = 0; j < runs.run; j += kPanel)
        for (std::int64_t s = 0; s < g.small_c; ++s, packed += kPanel) {
          const std::int64_t width = std::min(kPanel, runs.run - j);
          std::copy_n(weight + s * length + i * runs.run + j, width, packed);
          std::fill_n(packed + width, kPanel - width, 0.0F);
        }
  } else {
    for (std::int64_t first = 0; first < g.small_c; first += kPanel)
      for (std::int64_t k = 0; k < length; ++k, packed += kPanel)
        for (std::int64_t s = 0; s < kPanel; ++s)
          packed[s] = first + s < g.small_c ? weight[(first + s) * length + k] : 0.0F;
  }
}

Windows::Windows(const Layout& layout, std::int64_t samples, float* space)
    : layout_(layout),
      samples_(samples),
      padded_(space),
      rows_(nullptr),
      row_at_(nullptr),
      scratch_(nullptr) {
  const Geometry& g = layout.g;
  clear();
  if (layout.tiles == nullptr) {
    rows_ = space + aligned(padded_size(g));
    return;
  }
  row_at_ = reinterpret_cast<float**>(space + samples * aligned(padded_size(g)));
  scratch_ = space + aligned(samples * layout.floats_per_sample());
  float** at = row_at_;
  for (std::int64_t i = 0; i < samples; ++i)
    for (std::int64_t y = 0; y < g.small_h; ++y)
      for (std::int64_t x = 0; x < g.small_w; ++x)
        *at++ = padded(i) + y * g.stride * layout.runs.stride + x * g.stride * g.big_c;
}

void Windows::clear() {
  std::fill_n(padded_, (layout_.tiles != nullptr ? samples_ : 1) * aligned(padded_size(layout_.g)), 0.0F);
}

void Windows::set_image(std::int64_t i, const float* image) {
  const Geometry& g = layout_.g;
  if (layout_.tiles != nullptr) return pad(g, image, padded(i));
  pad(g, image, padded_);
  windows_of(g, padded_, rows_ + i * small_pixels(g) * row_length(g));
}

void Windows::get_image(std::int64_t i, float* image) {
  const Geometry& g = layout_.g;
  if (layout_.tiles != nullptr) return unpad(g, padded(i), image);
  std::fill_n(padded_, padded_size(g), 0.0F);
  add_windows(g, rows_ + i * small_pixels(g) * row_length(g), padded_);
  unpad(g, padded_, image);
}

void Windows::reduce(std::int64_t n, const float* packed, float* small) const {
  const Geometry& g = layout_.g;
  const std::int64_t length = row_length(g);
  const std::int64_t rows = n * small_pixels(g);
  if (layout_.tiles != nullptr)
    return layout_.tiles->reduce(row_at_, rows, layout_.runs, packed, g.small_c, small);
  gemm(rows_, length, false, packed, length, true, small, g.small_c, rows, g.small_c, length, false);
}

void Windows::spread(std::int64_t n, const float* packed, const float* small) {
  const Geometry& g = layout_.g;
  const std::int64_t length = row_length(g);
  const std::int64_t rows = n * small_pixels(g);
  if (layout_.tiles != nullptr) {
    // Windows overlap, and the tile of a row determines the order in which a pixel sums its windows. With
    // tiles of one sample, no sum depends on the other samples of the batch, and so none on the number of
    // ranks.
    const std::int64_t pixels = small_pixels(g);
    for (std::int64_t i = 0; i < n; ++i)
      layout_.tiles->spread(row_at_ + i * pixels, pixels, layout_.runs, small + i * pixels * g.small_c,
                            g.small_c, packed);
    return;
  }
  gemm(small, g.small_c, false, packed, length, false, rows_, length, rows, length, g.small_c, false);
}

void Windows::outer(std::int64_t n, const float* small, float* dw) const {
  const Geometry& g = layout_.g;
  const std::int64_t length = row_length(g);
  const std::int64_t rows = n * small_pixels(g);
  if (layout_.tiles != nullptr)
    return layout_.tiles->outer(row_at_, rows, layout_.runs, small, g.small_c, dw, scratch_);
  gemm(small, g.small_c, true, rows_, length, false, dw, length, g.small_c, length, rows, true);
}

}  // namespace ebb::numerics::cpu

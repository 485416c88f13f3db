// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

namespace ebb {

struct ImageSize {
  std::int64_t height = 0, width = 0;
};

// Resizes images of uint8 by the antialiased bicubic filter of Pillow. The filter is Keys' kernel with a =
// -0.5
// ("Cubic convolution interpolation", 1981). In a reduction its support grows by the factor of the reduction.
// Rows are resized first, then columns, with uint8 values between the two, as in Pillow before version 13.
// (Later versions begin with columns for some reductions of the height.) The weights are integers, so all
// processors compute the same bits.
class BicubicResizer {
 public:
  // Sizes are at least 1; channels are 1 to 4. Takes time and memory for the weights, so keep it for many
  // images.
  BicubicResizer(ImageSize from, ImageSize to, std::int64_t channels);

  // `in`: `from.height` rows, `stride` bytes from one to the next, of [from.width, channels]. `out`:
  // [to.height, to.width, channels] without padding; it may not overlap `in`. Thread-safe.
  void resize(const std::uint8_t* in, std::int64_t stride, std::uint8_t* out) const;

 private:
  // One output pixel of a line: the sum of input pixels from `first` on, each times its weight.
  struct Window {
    std::int64_t first;
    std::vector<std::int32_t> weights;
  };
  static std::vector<Window> windows_of(std::int64_t from, std::int64_t to);
  template <int kChannels>
  void resize_row(const std::uint8_t* in, std::uint8_t* out) const;

  ImageSize from_, to_;
  std::int64_t channels_;
  std::vector<Window> across_, down_;
};

}  // namespace ebb

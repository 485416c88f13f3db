// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/image_blocks.h"

#include <cstring>

#include "numerics/cpu/workspace.h"

namespace ebb::numerics::cpu {
namespace {

bool is_channels_last(const at::Tensor& t) {
  return t.size(1) == 1 || !t.is_contiguous();
}

void load_one(Dtype dtype, const char* data, bool channels_last, std::int64_t channels, std::int64_t pixels,
              std::int64_t i, float* out, float* scratch) {
  const std::int64_t n = channels * pixels;
  const char* at = data + i * n * size_of(dtype);
  if (channels_last) return kernels().to_float(dtype, at, out, n);
  kernels().to_float(dtype, at, scratch, n);
  kernels().transpose(scratch, channels, pixels, out);
}

}  // namespace

Images::Images(const at::Tensor& tensor, const at::Tensor& saved_tensor, Activation activation)
    : dtype(dtype_of(tensor)),
      data(static_cast<const char*>(tensor.const_data_ptr())),
      channels_last(is_channels_last(tensor)),
      act(activation),
      channels(tensor.size(1)),
      pixels(tensor.size(2) * tensor.size(3)) {
  if (!saved_tensor.defined() || act == Activation::none) return;
  saved = static_cast<const char*>(saved_tensor.const_data_ptr());
  saved_channels_last = is_channels_last(saved_tensor);
}

void Images::load(std::int64_t i, float* out, float* scratch) const {
  load_one(dtype, data, channels_last, channels, pixels, i, out, scratch);
  if (saved == nullptr) return;
  load_one(dtype, saved, saved_channels_last, channels, pixels, i, scratch, scratch + channels * pixels);
  kernels().activation_gradient(act, scratch, out, channels * pixels);
}

void windows_of(const Geometry& g, const float* padded, float* rows) {
  const std::int64_t line = (g.big_w + 2 * g.padding) * g.big_c;
  const std::int64_t run = g.kw * g.big_c;
  const std::size_t run_bytes = static_cast<std::size_t>(run) * sizeof(float);
  for (std::int64_t y = 0; y < g.small_h; ++y) {
    for (std::int64_t x = 0; x < g.small_w; ++x) {
      const float* from = padded + y * g.stride * line + x * g.stride * g.big_c;
      for (std::int64_t i = 0; i < g.kh; ++i, rows += run, from += line) {
        if (run == 4)
          std::memcpy(rows, from, 16);
        else
          std::memcpy(rows, from, run_bytes);
      }
    }
  }
}

void add_windows(const Geometry& g, const float* rows, float* padded) {
  const std::int64_t line = (g.big_w + 2 * g.padding) * g.big_c;
  const std::int64_t run = g.kw * g.big_c;
  const auto add = kernels().add;
  for (std::int64_t y = 0; y < g.small_h; ++y) {
    for (std::int64_t x = 0; x < g.small_w; ++x) {
      float* to = padded + y * g.stride * line + x * g.stride * g.big_c;
      for (std::int64_t i = 0; i < g.kh; ++i, rows += run, to += line) {
        if (run == 4) {
          for (int j = 0; j < 4; ++j) to[j] += rows[j];
        } else {
          add(rows, to, run);
        }
      }
    }
  }
}

void pad(const Geometry& g, const float* image, float* padded) {
  const std::int64_t line = g.big_w * g.big_c;
  const std::int64_t padded_line = (g.big_w + 2 * g.padding) * g.big_c;
  float* to = padded + g.padding * padded_line + g.padding * g.big_c;
  for (std::int64_t y = 0; y < g.big_h; ++y)
    std::memcpy(to + y * padded_line, image + y * line, static_cast<std::size_t>(line) * sizeof(float));
}

void unpad(const Geometry& g, const float* padded, float* image) {
  const std::int64_t line = g.big_w * g.big_c;
  const std::int64_t padded_line = (g.big_w + 2 * g.padding) * g.big_c;
  const float* from = padded + g.padding * padded_line + g.padding * g.big_c;
  for (std::int64_t y = 0; y < g.big_h; ++y)
    std::memcpy(image + y * line, from + y * padded_line, static_cast<std::size_t>(line) * sizeof(float));
}

}  // namespace ebb::numerics::cpu

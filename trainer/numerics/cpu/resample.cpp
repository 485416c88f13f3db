// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/resample.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "numerics/cpu/kernels.h"
#include "numerics/cpu/workspace.h"
#include "numerics/element_pointer.h"

namespace ebb::numerics::cpu {
namespace {

// out = a x + b y, elementwise.
void blend(const float* x, float a, const float* y, float b, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = a * x[i] + b * y[i];
}

// out += a x
void add_scaled(const float* x, float a, std::int64_t n, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] += a * x[i];
}

// A row [width, channels] to [2 width, channels]: out[2i] = (3 x[i] + x[i - 1]) / 4, out[2i + 1] = (3 x[i] +
// x[i + 1]) / 4.
void widen(const float* row, std::int64_t width, std::int64_t c, float* out) {
  for (std::int64_t i = 0; i < width; ++i) {
    const float* const x = row + i * c;
    blend(x, 0.75F, i > 0 ? x - c : x, i > 0 ? 0.25F : 0.0F, c, out + 2 * i * c);
    blend(x, 0.75F, i + 1 < width ? x + c : x, i + 1 < width ? 0.25F : 0.0F, c, out + (2 * i + 1) * c);
  }
}

// A row [2 width, channels] to [width, channels]: out[i] = (x[2i - 1] + 3 x[2i] + 3 x[2i + 1] + x[2i + 2])
// / 8.
void narrow(const float* row, std::int64_t width, std::int64_t c, float* out) {
  for (std::int64_t i = 0; i < width; ++i) {
    const float* const x = row + 2 * i * c;
    blend(x, 0.375F, x + c, 0.375F, c, out + i * c);
    if (i > 0) add_scaled(x - c, 0.125F, c, out + i * c);
    if (i + 1 < width) add_scaled(x + 2 * c, 0.125F, c, out + i * c);
  }
}

// One image in fp32, from [height, width, c] of `in` to that of `out`. `row` holds a row of the result's
// width.
void up(const float* in, std::int64_t height, std::int64_t width, std::int64_t c, float* row, float* out) {
  const std::int64_t line = 2 * width * c;
  std::fill_n(out, 2 * height * line, 0.0F);
  for (std::int64_t y = 0; y < height; ++y) {
    widen(in + y * width * c, width, c, row);
    add_scaled(row, 0.75F, line, out + 2 * y * line);
    add_scaled(row, 0.75F, line, out + (2 * y + 1) * line);
    if (y > 0) add_scaled(row, 0.25F, line, out + (2 * y - 1) * line);
    if (y + 1 < height) add_scaled(row, 0.25F, line, out + (2 * y + 2) * line);
  }
}

void down(const float* in, std::int64_t height, std::int64_t width, std::int64_t c, float* row, float* out) {
  const std::int64_t line = width * c;
  std::fill_n(out, height * line, 0.0F);
  for (std::int64_t y = 0; y < 2 * height; ++y) {
    narrow(in + y * 2 * line, width, c, row);
    // Row y = 2i has the weight 3/8 in row i and 1/8 in row i - 1; y = 2i + 1 has it in i and i + 1.
    const std::int64_t i = y / 2, neighbour = y % 2 == 0 ? i - 1 : i + 1;
    add_scaled(row, 0.375F, line, out + i * line);
    if (neighbour >= 0 && neighbour < height) add_scaled(row, 0.125F, line, out + neighbour * line);
  }
}

}  // namespace

at::Tensor resample(const at::Tensor& x, Resampling to, float factor) {
  const bool is_up = to == Resampling::up;
  const std::int64_t batch = x.size(0), c = x.size(1), in_h = x.size(2), in_w = x.size(3);
  const std::int64_t out_h = is_up ? 2 * in_h : in_h / 2, out_w = is_up ? 2 * in_w : in_w / 2;
  const at::Tensor y =
      at::empty({batch, c, out_h, out_w}, x.options().memory_format(at::MemoryFormat::ChannelsLast));
  const std::int64_t in_floats = in_h * in_w * c, out_floats = out_h * out_w * c;
  const std::int64_t slot = in_floats + out_floats + out_w * c;
  const std::int64_t slots = std::min<std::int64_t>(at::get_num_threads(), std::max<std::int64_t>(batch, 1));
  const at::Tensor space = workspace(slots * slot, x);
  if (x.is_meta() || x.numel() == 0) return y;
  const Dtype dtype = dtype_of(x);
  auto* const slot_floats = space.data_ptr<float>();
  at::parallel_for(0, batch, 1, [&](std::int64_t begin, std::int64_t end) {
    float* const in = slot_floats + at::get_thread_num() * slot;
    float* const out = in + in_floats;
    float* const row = out + out_floats;
    for (std::int64_t i = begin; i < end; ++i) {
      kernels().to_float(dtype, element_pointer(x, i * in_floats), in, in_floats);
      if (is_up)
        up(in, in_h, in_w, c, row, out);
      else
        down(in, out_h, out_w, c, row, out);
      if (factor != 1.0F) kernels().multiply(factor, out, out_floats);
      kernels().from_float(dtype, out, mutable_element_pointer(y, i * out_floats), out_floats);
    }
  });
  return y;
}

}  // namespace ebb::numerics::cpu

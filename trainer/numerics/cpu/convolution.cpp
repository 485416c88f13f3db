// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "numerics/cpu/image_blocks.h"
#include "numerics/cpu/windows.h"
#include "numerics/cpu/workspace.h"

namespace ebb::numerics::cpu {
namespace {

// Samples of a chunk, and the assignment of chunks to lanes. Both depend only on the sizes, so the sums are
// the same for any number of threads. A lane is a run of chunks with its own weight gradient; lanes are added
// in order.
struct Plan {
  std::int64_t samples, chunks, lanes, slots, slot_floats;
};

std::int64_t largest_image(const Geometry& g) {
  return aligned(std::max(big_pixels(g) * g.big_c, small_pixels(g) * g.small_c));
}

Plan plan(const Windows::Layout& layout, bool sums_weight, std::int64_t workspace_bytes) {
  const Geometry& g = layout.g;
  const std::int64_t floats = workspace_bytes / 2 / 4;  // more exceeds the cache
  const std::int64_t one = layout.floats_per_sample() + small_pixels(g) * g.small_c;
  const std::int64_t near = layout.tiles != nullptr
                                ? floats / 4
                                : floats;  // tiles read a chunk again: it should stay in the L2 cache
  Plan p{};
  p.samples =
      std::clamp<std::int64_t>(near / std::max<std::int64_t>(one, 1), 1, std::max<std::int64_t>(g.batch, 1));
  p.chunks = (g.batch + p.samples - 1) / p.samples;
  p.lanes = p.chunks;
  if (sums_weight)
    p.lanes = std::min(p.chunks, std::clamp<std::int64_t>(floats / (g.small_c * row_length(g)), 1, 4));
  p.slots = std::min<std::int64_t>(at::get_num_threads(), std::max<std::int64_t>(p.lanes, 1));
  p.slot_floats =
      layout.floats(p.samples) + aligned(p.samples * small_pixels(g) * g.small_c) + 3 * largest_image(g);
  return p;
}

// A thread's part of the workspace: `windows` and `small` for a chunk of samples, the rest for one sample.
struct Slot {
  Slot(const Windows::Layout& layout, const Plan& p, float* space)
      : windows(layout, p.samples, space),
        small(space + layout.floats(p.samples)),
        image(small + aligned(p.samples * small_pixels(layout.g) * layout.g.small_c)),
        scratch(image + largest_image(layout.g)) {}
  Windows windows;
  float *small, *image, *scratch;
};

// body(lane, first chunk, last chunk, slot)
template <class Body>
void for_lanes(const Windows::Layout& layout, const Plan& p, float* slots, const Body& body) {
  at::parallel_for(0, p.lanes, 1, [&](std::int64_t begin, std::int64_t end) {
    Slot s(layout, p, slots + at::get_thread_num() * p.slot_floats);
    for (std::int64_t lane = begin; lane < end; ++lane)
      body(lane, lane * p.chunks / p.lanes, (lane + 1) * p.chunks / p.lanes, s);
  });
}

// w [small_c, big_c, kh*kw] -> fp32 [small_c, kh*kw, big_c]
void load_weight(const Geometry& g, const at::Tensor& w, float* out, float* scratch) {
  const std::int64_t length = row_length(g);
  const char* data = static_cast<const char*>(w.const_data_ptr());
  for (std::int64_t s = 0; s < g.small_c; ++s, data += length * w.element_size(), out += length) {
    kernels().to_float(dtype_of(w), data, scratch, length);
    kernels().transpose(scratch, g.big_c, g.kh * g.kw, out);
  }
}

void store_weight(const Geometry& g, const float* in, const at::Tensor& w, float* scratch) {
  const std::int64_t length = row_length(g);
  char* data = static_cast<char*>(w.mutable_data_ptr());
  for (std::int64_t s = 0; s < g.small_c; ++s, data += length * w.element_size(), in += length) {
    kernels().transpose(in, g.kh * g.kw, g.big_c, scratch);
    kernels().from_float(dtype_of(w), scratch, data, length);
  }
}

void load_windows(const Geometry& g, const Images& big, std::int64_t first, std::int64_t n, Slot& s,
                  float* bias_sums) {
  for (std::int64_t i = 0; i < n; ++i) {
    big.load(first + i, s.image, s.scratch);
    if (bias_sums != nullptr) kernels().add_rows(s.image, big_pixels(g), g.big_c, bias_sums);
    s.windows.set_image(i, s.image);
  }
}

void load_small(const Geometry& g, const Images& small, std::int64_t first, std::int64_t n, const Slot& s,
                float* bias_sums) {
  const std::int64_t size = small_pixels(g) * g.small_c;
  for (std::int64_t i = 0; i < n; ++i) small.load(first + i, s.small + i * size, s.scratch);
  if (bias_sums != nullptr) kernels().add_rows(s.small, n * small_pixels(g), g.small_c, bias_sums);
}

// The destination of a finished chunk: y = act(values + bias).
struct Target {
  Dtype dtype;
  char* out;
  char* pre_activation;
  const float* bias;
  Activation act;
  void store(float* values, std::int64_t first, std::int64_t images, std::int64_t pixels,
             std::int64_t channels) const {
    const std::int64_t offset = first * pixels * channels * size_of(dtype);
    kernels().finish(dtype, values, bias, act, images * pixels, channels, out + offset,
                     pre_activation == nullptr ? nullptr : pre_activation + offset);
  }
};

// windows -> small
void reduce_windows(const Geometry& g, const float* weight, std::int64_t first, std::int64_t n, const Slot& s,
                    const Target& to) {
  s.windows.reduce(n, weight, s.small);
  to.store(s.small, first, n, small_pixels(g), g.small_c);
}

// small -> windows -> big
void spread_windows(const Geometry& g, const float* weight, std::int64_t first, std::int64_t n, Slot& s,
                    const Target& to) {
  s.windows.clear();
  s.windows.spread(n, weight, s.small);
  for (std::int64_t i = 0; i < n; ++i) {
    s.windows.get_image(i, s.image);
    to.store(s.image, first + i, 1, big_pixels(g), g.big_c);
  }
}

char* bytes_of(const at::Tensor& t) {
  return t.defined() ? static_cast<char*>(t.mutable_data_ptr()) : nullptr;
}

}  // namespace

Geometry geometry(const at::Tensor& x, const at::Tensor& w, std::int64_t stride, std::int64_t padding,
                  bool transposed) {
  const std::int64_t kh = w.size(2);
  const std::int64_t kw = w.size(3);
  Geometry g{x.size(0), w.size(1), 0, 0, w.size(0), 0, 0, kh, kw, stride, padding, transposed};
  if (transposed) {
    g.small_h = x.size(2), g.small_w = x.size(3);
    g.big_h = (g.small_h - 1) * stride - 2 * padding + kh;
    g.big_w = (g.small_w - 1) * stride - 2 * padding + kw;
  } else {
    g.big_h = x.size(2), g.big_w = x.size(3);
    g.small_h = (g.big_h + 2 * padding - kh) / stride + 1;
    g.small_w = (g.big_w + 2 * padding - kw) / stride + 1;
  }
  const std::int64_t channels = transposed ? g.small_c : g.big_c;
  if (x.size(1) != channels || stride < 1 || padding < 0 || g.big_h < 1 || g.big_w < 1 || g.small_h < 1 ||
      g.small_w < 1 || g.big_h + 2 * padding < kh || g.big_w + 2 * padding < kw)
    throw Error(
        ExitCode::internal,
        fmt::format(
            "convolution: an input of {} channels, {} x {}, does not fit a weight of {} x {} x {} x {}, "
            "stride {} and padding {}",
            x.size(1), x.size(2), x.size(3), w.size(0), w.size(1), kh, kw, stride, padding));
  return g;
}

ConvOutput conv_forward(const Geometry& g, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                        Activation act, bool keep_pre_activation, std::int64_t workspace_bytes) {
  const std::int64_t channels = g.transposed ? g.big_c : g.small_c;
  const std::vector<std::int64_t> shape{g.batch, channels, g.transposed ? g.big_h : g.small_h,
                                        g.transposed ? g.big_w : g.small_w};
  const auto options = x.options().memory_format(at::MemoryFormat::ChannelsLast);
  ConvOutput result{at::empty(shape, options), {}};
  if (keep_pre_activation) result.pre_activation = at::empty(shape, options);
  const Windows::Layout layout(g);
  const Plan p = plan(layout, false, workspace_bytes);
  const std::int64_t weight_floats = aligned(g.small_c * row_length(g));
  const std::int64_t packed_floats = layout.packed_floats(g.transposed);
  const at::Tensor space = workspace(
      weight_floats + packed_floats + aligned(channels) + aligned(row_length(g)) + p.slots * p.slot_floats,
      x);
  if (x.is_meta()) return result;

  auto* weight = space.data_ptr<float>();
  float* packed = weight + weight_floats;
  float* bias = packed + packed_floats;
  float* row = bias + aligned(channels);
  float* slots = row + aligned(row_length(g));
  load_weight(g, w, weight, row);
  layout.pack(weight, g.transposed, packed);
  kernels().to_float(dtype_of(b), b.const_data_ptr(), bias, channels);
  const Images images(x, {}, Activation::none);
  const Target to{dtype_of(x), bytes_of(result.y), bytes_of(result.pre_activation), bias, act};
  for_lanes(layout, p, slots, [&](std::int64_t, std::int64_t begin, std::int64_t end, Slot& s) {
    for (std::int64_t c = begin; c < end; ++c) {
      const std::int64_t first = c * p.samples;
      const std::int64_t n = std::min(p.samples, g.batch - first);
      if (g.transposed) {
        load_small(g, images, first, n, s, nullptr);
        spread_windows(g, packed, first, n, s, to);
      } else {
        load_windows(g, images, first, n, s, nullptr);
        reduce_windows(g, packed, first, n, s, to);
      }
    }
  });
  return result;
}

std::array<at::Tensor, 3> conv_backward(const Geometry& g, const at::Tensor& dy, const at::Tensor& x,
                                        const at::Tensor& w, const at::Tensor& saved, Activation act,
                                        std::array<bool, 3> wanted, std::int64_t workspace_bytes) {
  const std::int64_t channels = g.transposed ? g.big_c : g.small_c;
  const std::int64_t length = row_length(g);
  std::array<at::Tensor, 3> grads;
  if (wanted[0]) grads[0] = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
  if (wanted[1]) grads[1] = at::empty(w.sizes(), w.options());
  if (wanted[2]) grads[2] = at::empty({channels}, w.options());
  const Windows::Layout layout(g);
  const Plan p = plan(layout, true, workspace_bytes);
  const std::int64_t weight_floats = aligned(g.small_c * length);
  const std::int64_t packed_floats = layout.packed_floats(!g.transposed);
  const std::int64_t lane_floats = weight_floats + aligned(channels);  // sums of dw and db
  const std::int64_t lanes = std::max<std::int64_t>(p.lanes, 1);
  const at::Tensor space = workspace(
      weight_floats + packed_floats + aligned(length) + lanes * lane_floats + p.slots * p.slot_floats, x);
  if (x.is_meta()) return grads;

  auto* weight = space.data_ptr<float>();
  float* packed = weight + weight_floats;
  float* row = packed + packed_floats;
  float* sums = row + aligned(length);
  float* slots = sums + lanes * lane_floats;
  if (wanted[0]) {
    load_weight(g, w, weight, row);
    layout.pack(weight, !g.transposed, packed);
  }
  std::fill_n(sums, lanes * lane_floats, 0.0F);
  const Images dz(dy, saved, act);
  const Images in(x, {}, Activation::none);
  const Target to{dtype_of(x), bytes_of(grads[0]), nullptr, nullptr, Activation::none};
  for_lanes(layout, p, slots, [&](std::int64_t lane, std::int64_t begin, std::int64_t end, Slot& s) {
    float* dw = sums + lane * lane_floats;
    float* db = wanted[2] ? dw + weight_floats : nullptr;
    for (std::int64_t c = begin; c < end; ++c) {
      const std::int64_t first = c * p.samples;
      const std::int64_t n = std::min(p.samples, g.batch - first);
      if (g.transposed) {
        load_windows(g, dz, first, n, s, db);
        if (wanted[1]) load_small(g, in, first, n, s, nullptr);
      } else {
        load_small(g, dz, first, n, s, db);
        if (wanted[1]) load_windows(g, in, first, n, s, nullptr);
      }
      if (wanted[1]) s.windows.outer(n, s.small, dw);
      if (!wanted[0]) continue;
      if (g.transposed) {
        reduce_windows(g, packed, first, n, s, to);
      } else {
        spread_windows(g, packed, first, n, s, to);
        s.windows.clear();
      }
    }
  });
  for (std::int64_t lane = 1; lane < lanes; ++lane)
    kernels().add(sums + lane * lane_floats, sums, lane_floats);
  if (wanted[1]) store_weight(g, sums, grads[1], row);
  if (wanted[2])
    kernels().from_float(dtype_of(w), sums + weight_floats, grads[2].mutable_data_ptr(), channels);
  return grads;
}

}  // namespace ebb::numerics::cpu

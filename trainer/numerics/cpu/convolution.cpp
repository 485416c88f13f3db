#include "numerics/cpu/convolution.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "numerics/cpu/gemm.h"
#include "numerics/cpu/image_blocks.h"
#include "numerics/cpu/workspace.h"

namespace ebb::numerics::cpu {
namespace {

// One thread's part of the workspace: `windows` and `small` for a chunk of samples, the rest for one.
struct Slot {
  float *windows, *small, *image, *padded, *scratch;
};

// Samples that are worked on at once, and how the chunks are dealt out. Both follow from the sizes alone, so
// that sums come out the same for any number of threads: a lane is a run of chunks with a weight gradient of
// its own, and lanes are added up in order.
struct Plan {
  std::int64_t samples, chunks, lanes, slots, slot_floats;
};

std::int64_t largest_image(const Geometry& g) {
  return std::max(big_pixels(g) * g.big_c, small_pixels(g) * g.small_c);
}

Plan plan(const Geometry& g, bool sums_weight) {
  const std::int64_t floats = workspace_bytes() / 4;
  const std::int64_t one = small_pixels(g) * (row_length(g) + g.small_c);
  Plan p{};
  p.samples = std::clamp<std::int64_t>(floats / std::max<std::int64_t>(one, 1), 1,
                                       std::max<std::int64_t>(g.batch, 1));
  p.chunks = (g.batch + p.samples - 1) / p.samples;
  p.lanes = p.chunks;
  if (sums_weight)
    p.lanes = std::min(p.chunks, std::clamp<std::int64_t>(floats / (g.small_c * row_length(g)), 1, 4));
  p.slots = std::min<std::int64_t>(at::get_num_threads(), std::max<std::int64_t>(p.lanes, 1));
  p.slot_floats = p.samples * one + padded_size(g) + 3 * largest_image(g);
  return p;
}

Slot slot(const Geometry& g, const Plan& p, float* slots, int number) {
  Slot s{};
  s.windows = slots + number * p.slot_floats;
  s.small = s.windows + p.samples * small_pixels(g) * row_length(g);
  s.padded = s.small + p.samples * small_pixels(g) * g.small_c;
  s.image = s.padded + padded_size(g);
  s.scratch = s.image + largest_image(g);
  return s;
}

// body(lane, first chunk, last chunk, slot)
template <class Body>
void for_lanes(const Geometry& g, const Plan& p, float* slots, const Body& body) {
  at::parallel_for(0, p.lanes, 1, [&](std::int64_t begin, std::int64_t end) {
    const Slot s = slot(g, p, slots, at::get_thread_num());
    std::fill_n(s.padded, padded_size(g), 0.0F);  // the border stays zero
    for (std::int64_t lane = begin; lane < end; ++lane)
      body(lane, lane * p.chunks / p.lanes, (lane + 1) * p.chunks / p.lanes, s);
  });
}

// w [small_c, big_c, kh*kw] -> fp32 [small_c, kh*kw, big_c]
void load_weight(const Geometry& g, const at::Tensor& w, float* out, float* scratch) {
  const std::int64_t length = row_length(g);
  const char* data = static_cast<const char*>(w.const_data_ptr());
  for (std::int64_t s = 0; s < g.small_c; ++s, data += length * w.element_size(), out += length) {
    kernels().to_float(kind_of(w), data, scratch, length);
    kernels().transpose(scratch, g.big_c, g.kh * g.kw, out);
  }
}

void store_weight(const Geometry& g, const float* in, const at::Tensor& w, float* scratch) {
  const std::int64_t length = row_length(g);
  char* data = static_cast<char*>(w.mutable_data_ptr());
  for (std::int64_t s = 0; s < g.small_c; ++s, data += length * w.element_size(), in += length) {
    kernels().transpose(in, g.kh * g.kw, g.big_c, scratch);
    kernels().from_float(kind_of(w), scratch, data, length);
  }
}

void load_windows(const Geometry& g, const Images& big, std::int64_t first, std::int64_t n, const Slot& s,
                  float* bias_sums) {
  for (std::int64_t i = 0; i < n; ++i) {
    big.load(first + i, s.image, s.scratch);
    if (bias_sums != nullptr) kernels().add_rows(s.image, big_pixels(g), g.big_c, bias_sums);
    pad(g, s.image, s.padded);
    windows_of(g, s.padded, s.windows + i * small_pixels(g) * row_length(g));
  }
}

void load_small(const Geometry& g, const Images& small, std::int64_t first, std::int64_t n, const Slot& s,
                float* bias_sums) {
  const std::int64_t size = small_pixels(g) * g.small_c;
  for (std::int64_t i = 0; i < n; ++i) small.load(first + i, s.small + i * size, s.scratch);
  if (bias_sums != nullptr) kernels().add_rows(s.small, n * small_pixels(g), g.small_c, bias_sums);
}

// Where a finished chunk goes: y = act(values + bias).
struct Target {
  Kind kind;
  char* out;
  char* before;
  const float* bias;
  Act act;
  void put(float* values, std::int64_t first, std::int64_t images, std::int64_t pixels,
           std::int64_t channels) const {
    const std::int64_t offset = first * pixels * channels * (kind == Kind::f32 ? 4 : 2);
    kernels().finish(kind, values, bias, act, images * pixels, channels, out + offset,
                     before == nullptr ? nullptr : before + offset);
  }
};

// windows -> small
void reduce_windows(const Geometry& g, const float* weight, std::int64_t first, std::int64_t n, const Slot& s,
                    const Target& to) {
  const std::int64_t length = row_length(g);
  gemm(s.windows, length, false, weight, length, true, s.small, g.small_c, n * small_pixels(g), g.small_c,
       length, false);
  to.put(s.small, first, n, small_pixels(g), g.small_c);
}

// small -> windows -> big
void spread_windows(const Geometry& g, const float* weight, std::int64_t first, std::int64_t n, const Slot& s,
                    const Target& to) {
  const std::int64_t length = row_length(g);
  gemm(s.small, g.small_c, false, weight, length, false, s.windows, length, n * small_pixels(g), length,
       g.small_c, false);
  for (std::int64_t i = 0; i < n; ++i) {
    std::fill_n(s.padded, padded_size(g), 0.0F);
    add_windows(g, s.windows + i * small_pixels(g) * length, s.padded);
    unpad(g, s.padded, s.image);
    to.put(s.image, first + i, 1, big_pixels(g), g.big_c);
  }
}

void clear_border(const Geometry& g, const Slot& s) {
  if (g.padding > 0) std::fill_n(s.padded, padded_size(g), 0.0F);
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
            "convolution: an input of {} channels, {} x {}, does not go with a weight of {} x {} x {} x {}, "
            "stride {} and padding {}",
            x.size(1), x.size(2), x.size(3), w.size(0), w.size(1), kh, kw, stride, padding));
  return g;
}

ConvOutput conv_forward(const Geometry& g, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                        Act act, bool keep_before) {
  const std::int64_t channels = g.transposed ? g.big_c : g.small_c;
  const std::vector<std::int64_t> shape{g.batch, channels, g.transposed ? g.big_h : g.small_h,
                                        g.transposed ? g.big_w : g.small_w};
  const auto options = x.options().memory_format(at::MemoryFormat::ChannelsLast);
  ConvOutput result{at::empty(shape, options), {}};
  if (keep_before) result.before = at::empty(shape, options);
  const Plan p = plan(g, false);
  const std::int64_t weight_floats = g.small_c * row_length(g);
  const at::Tensor space = workspace(weight_floats + channels + p.slots * p.slot_floats + row_length(g), x);
  if (x.is_meta()) return result;

  auto* weight = space.data_ptr<float>();
  float* bias = weight + weight_floats;
  float* row = bias + channels;
  float* slots = row + row_length(g);
  load_weight(g, w, weight, row);
  kernels().to_float(kind_of(b), b.const_data_ptr(), bias, channels);
  const Images images(x, {}, Act::none);
  const Target to{kind_of(x), bytes_of(result.y), bytes_of(result.before), bias, act};
  for_lanes(g, p, slots, [&](std::int64_t, std::int64_t begin, std::int64_t end, const Slot& s) {
    for (std::int64_t c = begin; c < end; ++c) {
      const std::int64_t first = c * p.samples;
      const std::int64_t n = std::min(p.samples, g.batch - first);
      if (g.transposed) {
        load_small(g, images, first, n, s, nullptr);
        spread_windows(g, weight, first, n, s, to);
      } else {
        load_windows(g, images, first, n, s, nullptr);
        reduce_windows(g, weight, first, n, s, to);
      }
    }
  });
  return result;
}

std::array<at::Tensor, 3> conv_backward(const Geometry& g, const at::Tensor& dy, const at::Tensor& x,
                                        const at::Tensor& w, const at::Tensor& saved, Act act,
                                        std::array<bool, 3> wanted) {
  const std::int64_t channels = g.transposed ? g.big_c : g.small_c;
  const std::int64_t length = row_length(g);
  std::array<at::Tensor, 3> grads;
  if (wanted[0]) grads[0] = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
  if (wanted[1]) grads[1] = at::empty(w.sizes(), w.options());
  if (wanted[2]) grads[2] = at::empty({channels}, w.options());
  const Plan p = plan(g, true);
  const std::int64_t weight_floats = g.small_c * length;
  const std::int64_t lane_floats = weight_floats + channels;  // sums of dw and db
  const std::int64_t lanes = std::max<std::int64_t>(p.lanes, 1);
  const at::Tensor space =
      workspace(weight_floats + length + lanes * lane_floats + p.slots * p.slot_floats, x);
  if (x.is_meta()) return grads;

  auto* weight = space.data_ptr<float>();
  float* row = weight + weight_floats;
  float* sums = row + length;
  float* slots = sums + lanes * lane_floats;
  if (wanted[0]) load_weight(g, w, weight, row);
  std::fill_n(sums, lanes * lane_floats, 0.0F);
  const Images dz(dy, saved, act);
  const Images in(x, {}, Act::none);
  const Target to{kind_of(x), bytes_of(grads[0]), nullptr, nullptr, Act::none};
  for_lanes(g, p, slots, [&](std::int64_t lane, std::int64_t begin, std::int64_t end, const Slot& s) {
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
      if (wanted[1])
        gemm(s.small, g.small_c, true, s.windows, length, false, dw, length, g.small_c, length,
             n * small_pixels(g), true);
      if (!wanted[0]) continue;
      if (g.transposed) {
        reduce_windows(g, weight, first, n, s, to);
      } else {
        spread_windows(g, weight, first, n, s, to);
        clear_border(g, s);
      }
    }
  });
  for (std::int64_t lane = 1; lane < lanes; ++lane)
    kernels().add(sums + lane * lane_floats, sums, lane_floats);
  if (wanted[1]) store_weight(g, sums, grads[1], row);
  if (wanted[2])
    kernels().from_float(kind_of(w), sums + weight_floats, grads[2].mutable_data_ptr(), channels);
  return grads;
}

}  // namespace ebb::numerics::cpu

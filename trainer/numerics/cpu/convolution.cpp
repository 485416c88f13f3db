// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "numerics/cpu/conv_chunk.h"
#include "numerics/cpu/workspace.h"

namespace ebb::numerics::cpu {
namespace {

// w [small_c, big_c / groups, kh*kw] -> fp32 [small_c, kh*kw, big_c / groups]; `group` is one group's
// geometry
void load_weight(const Geometry& group, std::int64_t small_c, const at::Tensor& w, float* out,
                 float* scratch) {
  const std::int64_t length = row_length(group);
  const char* data = static_cast<const char*>(w.const_data_ptr());
  for (std::int64_t s = 0; s < small_c; ++s, data += length * w.element_size(), out += length) {
    kernels().to_float(dtype_of(w), data, scratch, length);
    kernels().transpose(scratch, group.big_c, group.kh * group.kw, out);
  }
}

void store_weight(const Geometry& group, std::int64_t small_c, const float* in, const at::Tensor& w,
                  float* scratch) {
  const std::int64_t length = row_length(group);
  char* data = static_cast<char*>(w.mutable_data_ptr());
  for (std::int64_t s = 0; s < small_c; ++s, data += length * w.element_size(), in += length) {
    kernels().transpose(in, group.kh * group.kw, group.big_c, scratch);
    kernels().from_float(dtype_of(w), scratch, data, length);
  }
}

// The weight of every group in the form that reduce or spread reads.
void pack_weight(const Geometry& g, const Windows::Layout& layout, const float* weight, bool spread,
                 float* packed) {
  for (std::int64_t j = 0; j < g.groups; ++j)
    layout.pack(weight + j * layout.g.small_c * row_length(layout.g), spread,
                packed + j * layout.packed_floats(spread));
}

char* bytes_of(const at::Tensor& t) {
  return t.defined() ? static_cast<char*>(t.mutable_data_ptr()) : nullptr;
}

}  // namespace

Geometry geometry(const at::Tensor& x, const at::Tensor& w, const ConvOptions& options, bool transposed) {
  const auto& [stride, padding, groups] = options;
  const std::int64_t kh = w.size(2);
  const std::int64_t kw = w.size(3);
  Geometry g{x.size(0), w.size(1) * groups, 0, 0, w.size(0), 0, 0, kh, kw, stride, padding,
             groups,    transposed};
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
  if (x.size(1) != channels || stride < 1 || padding < 0 || groups < 1 || g.small_c % groups != 0 ||
      g.big_h < 1 || g.big_w < 1 || g.small_h < 1 || g.small_w < 1 || g.big_h + 2 * padding < kh ||
      g.big_w + 2 * padding < kw)
    throw Error(
        ExitCode::internal,
        fmt::format(
            "convolution: an input of {} channels, {} x {}, does not fit a weight of {} x {} x {} x {}, "
            "stride {}, padding {} and {} groups",
            x.size(1), x.size(2), x.size(3), w.size(0), w.size(1), kh, kw, stride, padding, groups));
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
  const Geometry group = g.of_one_group();
  const Windows::Layout layout(group);
  const Plan p = plan(g, layout, false, workspace_bytes);
  const std::int64_t weight_floats = aligned(g.small_c * row_length(group));
  const std::int64_t packed_floats = g.groups * layout.packed_floats(g.transposed);
  const at::Tensor space = workspace(weight_floats + packed_floats + aligned(channels) +
                                         aligned(row_length(group)) + p.slots * p.slot_floats,
                                     x);
  if (x.is_meta()) return result;

  auto* weight = space.data_ptr<float>();
  float* packed = weight + weight_floats;
  float* bias = packed + packed_floats;
  float* row = bias + aligned(channels);
  float* slots = row + aligned(row_length(group));
  load_weight(group, g.small_c, w, weight, row);
  pack_weight(g, layout, weight, g.transposed, packed);
  if (b.defined()) kernels().to_float(dtype_of(b), b.const_data_ptr(), bias, channels);
  const Images images(x, {}, Activation::none);
  const Target to{dtype_of(x), bytes_of(result.y), bytes_of(result.pre_activation),
                  b.defined() ? bias : nullptr, act};
  for_lanes(g, layout, p, slots, [&](std::int64_t, std::int64_t begin, std::int64_t end, Slot& s) {
    for (std::int64_t c = begin; c < end; ++c) {
      Chunk chunk(g, layout, c * p.samples, std::min(p.samples, g.batch - c * p.samples), s);
      if (g.transposed)
        chunk.load_small(images, nullptr);
      else
        chunk.load_big(images, nullptr);
      for (std::int64_t j = 0; j < g.groups; ++j) {
        const float* const part = packed + j * layout.packed_floats(g.transposed);
        if (g.transposed) {
          chunk.set_small(j);
          chunk.spread(j, part, to);
        } else {
          chunk.set_windows(j);
          chunk.reduce(j, part, to);
        }
      }
    }
  });
  return result;
}

std::array<at::Tensor, 3> conv_backward(const Geometry& g, const at::Tensor& dy, const at::Tensor& x,
                                        const at::Tensor& w, const at::Tensor& saved, Activation act,
                                        std::array<bool, 3> wanted, std::int64_t workspace_bytes) {
  const std::int64_t channels = g.transposed ? g.big_c : g.small_c;
  const Geometry group = g.of_one_group();
  const std::int64_t length = row_length(group);
  std::array<at::Tensor, 3> grads;
  if (wanted[0]) grads[0] = at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast));
  if (wanted[1]) grads[1] = at::empty(w.sizes(), w.options());
  if (wanted[2]) grads[2] = at::empty({channels}, w.options());
  const Windows::Layout layout(group);
  const Plan p = plan(g, layout, true, workspace_bytes);
  const std::int64_t weight_floats = aligned(g.small_c * length);
  const std::int64_t packed_floats = g.groups * layout.packed_floats(!g.transposed);
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
    load_weight(group, g.small_c, w, weight, row);
    pack_weight(g, layout, weight, !g.transposed, packed);
  }
  std::fill_n(sums, lanes * lane_floats, 0.0F);
  const Images dz(dy, saved, act);
  const Images in(x, {}, Activation::none);
  const Target to{dtype_of(x), bytes_of(grads[0]), nullptr, nullptr, Activation::none};
  for_lanes(g, layout, p, slots, [&](std::int64_t lane, std::int64_t begin, std::int64_t end, Slot& s) {
    float* dw = sums + lane * lane_floats;
    float* db = wanted[2] ? dw + weight_floats : nullptr;
    for (std::int64_t c = begin; c < end; ++c) {
      Chunk chunk(g, layout, c * p.samples, std::min(p.samples, g.batch - c * p.samples), s);
      // A weight's gradient needs both images, the input's only the output's gradient.
      if (g.transposed) {
        chunk.load_big(dz, db);
        if (wanted[1]) chunk.load_small(in, nullptr);
      } else {
        chunk.load_small(dz, db);
        if (wanted[1]) chunk.load_big(in, nullptr);
      }
      for (std::int64_t j = 0; j < g.groups; ++j) {
        const float* const part = packed + j * layout.packed_floats(!g.transposed);
        if (g.transposed || wanted[1]) chunk.set_windows(j);
        if (!g.transposed || wanted[1]) chunk.set_small(j);
        if (wanted[1]) chunk.outer(j, dw);
        if (!wanted[0]) continue;
        if (g.transposed)
          chunk.reduce(j, part, to);
        else
          chunk.spread(j, part, to), s.windows.clear();
      }
    }
  });
  for (std::int64_t lane = 1; lane < lanes; ++lane)
    kernels().add(sums + lane * lane_floats, sums, lane_floats);
  if (wanted[1]) store_weight(group, g.small_c, sums, grads[1], row);
  if (wanted[2])
    kernels().from_float(dtype_of(w), sums + weight_floats, grads[2].mutable_data_ptr(), channels);
  return grads;
}

}  // namespace ebb::numerics::cpu

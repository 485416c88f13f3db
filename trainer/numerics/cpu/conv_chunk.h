// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "numerics/cpu/convolution.h"
#include "numerics/cpu/image_blocks.h"
#include "numerics/cpu/windows.h"

// How a convolution is split: chunks of samples, which threads compute in their slots of the workspace.
namespace ebb::numerics::cpu {

// Samples of a chunk, and the assignment of chunks to lanes. Both depend only on the sizes, so the sums are
// the same for any number of threads. A lane is a run of chunks with its own weight gradient; lanes are added
// in order.
struct Plan {
  std::int64_t samples, chunks, lanes, slots, slot_floats;
};

inline std::int64_t largest_image(const Geometry& g) {
  return aligned(std::max(big_pixels(g) * g.big_c, small_pixels(g) * g.small_c));
}

inline std::int64_t big_floats(const Geometry& g) {  // of one image
  return big_pixels(g) * g.big_c;
}
inline std::int64_t small_floats(const Geometry& g) {
  return small_pixels(g) * g.small_c;
}

// Floats of a slot that hold whole images of a chunk, beside those of the group at hand. The big images take
// part in two products with different values, so there are two of them.
inline std::int64_t whole_floats(const Geometry& g, std::int64_t samples) {
  return g.groups == 1 ? 0 : aligned(samples * (2 * big_floats(g) + small_floats(g)));
}

// `layout` is that of one group of `g`.
inline Plan plan(const Geometry& g, const Windows::Layout& layout, bool sums_weight,
                 std::int64_t workspace_bytes) {
  const std::int64_t floats = workspace_bytes / 2 / 4;  // more exceeds the cache
  const std::int64_t one = layout.floats_per_sample() + small_floats(layout.g) + whole_floats(g, 1);
  const std::int64_t near = layout.tiles != nullptr
                                ? floats / 4
                                : floats;  // tiles read a chunk again: it should stay in the L2 cache
  Plan p{};
  p.samples =
      std::clamp<std::int64_t>(near / std::max<std::int64_t>(one, 1), 1, std::max<std::int64_t>(g.batch, 1));
  p.chunks = (g.batch + p.samples - 1) / p.samples;
  p.lanes = p.chunks;
  if (sums_weight)
    p.lanes = std::min(p.chunks, std::clamp<std::int64_t>(floats / (g.small_c * row_length(layout.g)), 1, 4));
  p.slots = std::min<std::int64_t>(at::get_num_threads(), std::max<std::int64_t>(p.lanes, 1));
  p.slot_floats = layout.floats(p.samples) + aligned(p.samples * small_floats(layout.g)) +
                  3 * largest_image(g) + whole_floats(g, p.samples);
  return p;
}

// A thread's part of the workspace: `windows` and `small` for one group of a chunk of samples, `whole…` for
// all groups of it, the rest for one sample.
struct Slot {
  Slot(const Geometry& g, const Windows::Layout& layout, const Plan& p, float* space)
      : windows(layout, p.samples, space),
        small(space + layout.floats(p.samples)),
        image(small + aligned(p.samples * small_floats(layout.g))),
        scratch(image + largest_image(g)),
        whole_big(scratch + 2 * largest_image(g)),
        whole_big_result(whole_big + p.samples * big_floats(g)),
        whole_small(whole_big_result + p.samples * big_floats(g)) {}
  Windows windows;
  float *small, *image, *scratch;
  float *whole_big, *whole_big_result, *whole_small;  // with one group they have no memory
};

// body(lane, first chunk, last chunk, slot)
template <class Body>
void for_lanes(const Geometry& g, const Windows::Layout& layout, const Plan& p, float* slots,
               const Body& body) {
  at::parallel_for(0, p.lanes, 1, [&](std::int64_t begin, std::int64_t end) {
    Slot s(g, layout, p, slots + at::get_thread_num() * p.slot_floats);
    for (std::int64_t lane = begin; lane < end; ++lane)
      body(lane, lane * p.chunks / p.lanes, (lane + 1) * p.chunks / p.lanes, s);
  });
}

// Copies `width` channels of pixels that have `channels` in all, from or to an image of these alone.
inline void take_channels(const float* image, std::int64_t pixels, std::int64_t channels, std::int64_t width,
                          float* out) {
  for (std::int64_t p = 0; p < pixels; ++p, image += channels, out += width) std::copy_n(image, width, out);
}
inline void put_channels(const float* in, std::int64_t pixels, std::int64_t channels, std::int64_t width,
                         float* image) {
  for (std::int64_t p = 0; p < pixels; ++p, image += channels, in += width) std::copy_n(in, width, image);
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

// The products of one chunk of samples: `n` from `first` on. With several groups, images are loaded whole
// once, and each group's channels are copied from them.
class Chunk {
 public:
  Chunk(const Geometry& g, const Windows::Layout& layout, std::int64_t first, std::int64_t n, Slot& slot)
      : g_(g), layout_(layout), group_(layout.g), first_(first), n_(n), slot_(slot) {}

  // Call these once before the groups. They add the sums of the channels to `bias_sums`, if not null.
  void load_big(const Images& big, float* bias_sums) {
    big_ = &big;
    big_sums_ = bias_sums;
    if (g_.groups == 1) return;  // set_windows() loads an image at a time
    const std::int64_t size = big_floats(g_);
    for (std::int64_t i = 0; i < n_; ++i) big.load(first_ + i, slot_.whole_big + i * size, slot_.scratch);
    if (bias_sums != nullptr) add_sums(slot_.whole_big, big_pixels(g_), g_.big_c, bias_sums);
  }
  void load_small(const Images& small, float* bias_sums) {
    const std::int64_t size = small_floats(g_);
    float* const to = g_.groups == 1 ? slot_.small : slot_.whole_small;
    for (std::int64_t i = 0; i < n_; ++i) small.load(first_ + i, to + i * size, slot_.scratch);
    if (bias_sums == nullptr) return;
    if (g_.groups == 1)
      kernels().add_rows(to, n_ * small_pixels(g_), g_.small_c, bias_sums);
    else
      add_sums(to, small_pixels(g_), g_.small_c, bias_sums);
  }

  // Of group j: the windows of the big images, and the small images.
  void set_windows(std::int64_t j) {
    for (std::int64_t i = 0; i < n_; ++i) {
      if (g_.groups == 1) {
        big_->load(first_ + i, slot_.image, slot_.scratch);
        if (big_sums_ != nullptr) kernels().add_rows(slot_.image, big_pixels(g_), g_.big_c, big_sums_);
      } else {
        take_channels(slot_.whole_big + i * big_floats(g_) + j * group_.big_c, big_pixels(g_), g_.big_c,
                      group_.big_c, slot_.image);
      }
      slot_.windows.set_image(i, slot_.image);
    }
  }
  void set_small(std::int64_t j) {
    if (g_.groups > 1)
      take_channels(slot_.whole_small + j * group_.small_c, n_ * small_pixels(g_), g_.small_c, group_.small_c,
                    slot_.small);
  }

  // small = windows W^T of group j. The last group's call stores the result.
  void reduce(std::int64_t j, const float* packed, const Target& to) {
    slot_.windows.reduce(n_, packed, slot_.small);
    if (g_.groups > 1)
      put_channels(slot_.small, n_ * small_pixels(g_), g_.small_c, group_.small_c,
                   slot_.whole_small + j * group_.small_c);
    if (j + 1 == g_.groups)
      to.store(g_.groups == 1 ? slot_.small : slot_.whole_small, first_, n_, small_pixels(g_), g_.small_c);
  }
  // big = small W of group j. The last group's call stores the result. Clear the windows before they are set
  // again.
  void spread(std::int64_t j, const float* packed, const Target& to) {
    slot_.windows.clear();
    slot_.windows.spread(n_, packed, slot_.small);
    for (std::int64_t i = 0; i < n_; ++i) {
      slot_.windows.get_image(i, slot_.image);
      if (g_.groups == 1)
        to.store(slot_.image, first_ + i, 1, big_pixels(g_), g_.big_c);
      else
        put_channels(slot_.image, big_pixels(g_), g_.big_c, group_.big_c,
                     slot_.whole_big_result + i * big_floats(g_) + j * group_.big_c);
    }
    if (g_.groups > 1 && j + 1 == g_.groups)
      to.store(slot_.whole_big_result, first_, n_, big_pixels(g_), g_.big_c);
  }
  // dw += small^T windows of group j.
  void outer(std::int64_t j, float* dw) {
    slot_.windows.outer(n_, slot_.small, dw + j * group_.small_c * row_length(group_));
  }

 private:
  // Adds the sums of the channels image by image: shorter sums lose less to rounding.
  void add_sums(const float* images, std::int64_t pixels, std::int64_t channels, float* sums) {
    for (std::int64_t i = 0; i < n_; ++i, images += pixels * channels) {
      std::fill_n(slot_.scratch, channels, 0.0F);
      kernels().add_rows(images, pixels, channels, slot_.scratch);
      kernels().add(slot_.scratch, sums, channels);
    }
  }

  const Geometry& g_;
  const Windows::Layout& layout_;
  const Geometry& group_;
  std::int64_t first_, n_;
  Slot& slot_;
  const Images* big_ = nullptr;
  float* big_sums_ = nullptr;
};

}  // namespace ebb::numerics::cpu

// SPDX-License-Identifier: Apache-2.0
#include "numerics/head_cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "base/round_up.h"
#include "memory/ledger.h"
#include "numerics/cpu/workspace.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics::gpu {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Elements of logits held at once, about: kTimesGiven times those of h, within these bounds. Rows are divided
// into about kLeastBlocks blocks or more, unless a block would have fewer than kRowMultiple rows.
constexpr std::int64_t kTimesGiven = 16, kFewest = std::int64_t{32} << 20, kMost = std::int64_t{512} << 20;
constexpr std::int64_t kLeastBlocks = 4;
constexpr std::int64_t kRowMultiple = 128;  // rows of a tile of the products' kernels
constexpr std::int64_t kPack = 8;           // the stride of logits is a multiple of it

// Rows of a block. All blocks have about the same size, since a short last one would compute slowly.
std::int64_t rows_of_a_block(std::int64_t n, std::int64_t width, std::int64_t stride) {
  const std::int64_t held = std::clamp(kTimesGiven * n * width, kFewest, kMost);
  const std::int64_t least = std::min(kLeastBlocks, std::max<std::int64_t>(n / kRowMultiple, 1));
  const std::int64_t blocks = std::max((n * stride + held - 1) / held, least);
  return std::clamp<std::int64_t>(round_up((n + blocks - 1) / blocks, kRowMultiple), 1,
                                  std::max<std::int64_t>(n, 1));
}

// Returns the factor by which forward multiplies all gradients; backward divides by it. The gradient of a
// logit is at most 1, and about 1 / vocabulary for most tokens. Times this factor, fp16 holds it without
// subnormal numbers, and dh stays finite for weights up to 1000.
float gradient_factor_for(const at::Tensor& h) {
  return h.scalar_type() == at::kHalf ? 64.0F : 1.0F;
}

// Computes the gradients in forward, block by block of rows, so that logits are computed once. A second time
// in backward would be a third more work. Backward multiplies them by the loss's gradient.
struct HeadCrossEntropy : torch::autograd::Function<HeadCrossEntropy> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& h_in, const at::Tensor& w_in,
                            const at::Tensor& targets_in, double z, bool graph) {
    const at::Tensor h = h_in.contiguous(), w = w_in.contiguous(), targets = targets_in.contiguous();
    const std::int64_t n = h.size(0), width = h.size(1), vocabulary = w.size(0);
    const std::int64_t stride = round_up(vocabulary, kPack), most = rows_of_a_block(n, width, stride);
    const auto fp32 = h.options().dtype(at::kFloat);
    const at::Tensor losses = at::empty({n}, fp32);
    at::Tensor dh, dw;
    if (graph) {
      dh = at::empty_like(h);
      const memory::Tag tag(memory::Class::workspace, "head gradient");
      dw = at::zeros({vocabulary, width}, fp32);
    }
    at::Tensor space;
    {
      const memory::Tag tag(memory::Class::workspace, "logits");
      space = at::empty({most, stride}, h.options());
    }
    const float gradient_factor = gradient_factor_for(h);
    for (std::int64_t first = 0; first < n; first += most) {
      const std::int64_t rows = std::min(most, n - first);
      const at::Tensor part = h.narrow(0, first, rows);
      at::Tensor logits = space.narrow(0, 0, rows).narrow(1, 0, vocabulary);
      at::mm_out(logits, part, w.t());
      cuda_table().head_rows(dtype_of(h), space.mutable_data_ptr(), stride,
                             targets.const_data_ptr<std::int64_t>() + first, kIgnoreIndex, rows, vocabulary,
                             static_cast<float>(z), gradient_factor, graph, losses.data_ptr<float>() + first,
                             cuda_stream(h));
      if (!graph) continue;
      at::Tensor d_part = dh.narrow(0, first, rows);
      at::mm_out(d_part, logits, w);
      if (h.scalar_type() == at::kFloat)
        dw.addmm_(logits.t(), part);
      else if (!h.is_meta())  // The meta device has no such kernel. The product needs no memory.
        at::addmm_out(dw, dw, logits.t(), part, at::kFloat);
    }
    ctx->save_for_backward({dh, dw});
    return losses.sum(at::kDouble).to(at::kFloat);
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("head_cross_entropy");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &dh = saved[0], &sums = saved[1];
    const Dtype dtype = dtype_of(dh);
    const float by = 1.0F / gradient_factor_for(dh);
    const at::Tensor dw = at::empty(sums.sizes(), dh.options());
    cuda_table().scaled(Dtype::fp32, sums.const_data_ptr(), dtype, dw.mutable_data_ptr(),
                        dy[0].const_data_ptr<float>(), by, sums.numel(), cuda_stream(dh));
    const at::Tensor dh_scaled = at::empty_like(dh);
    cuda_table().scaled(dtype, dh.const_data_ptr(), dtype, dh_scaled.mutable_data_ptr(),
                        dy[0].const_data_ptr<float>(), by, dh.numel(), cuda_stream(dh));
    return {dh_scaled, dw, {}, {}, {}};
  }
};

}  // namespace

at::Tensor head_cross_entropy(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets, double z) {
  const bool graph = c10::GradMode::is_enabled() && (h.requires_grad() || w.requires_grad());
  return HeadCrossEntropy::apply(h, w, targets, z, graph);
}

}  // namespace ebb::numerics::gpu

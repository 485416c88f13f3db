#include "numerics/cpu/linear.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "memory/ledger.h"
#include "numerics/cpu/panels.h"
#include "numerics/cpu/product.h"
#include "numerics/cpu/workspace.h"
#include "numerics/place.h"

namespace ebb::numerics::cpu {

LinearOutput linear_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Act act,
                            bool keep_before) {
  const std::int64_t batch = x.size(0);
  const std::int64_t in = x.size(1);
  const std::int64_t out = w.size(0);
  LinearOutput result{at::empty({batch, out}, x.options()), {}};
  if (keep_before) result.before = at::empty({batch, out}, x.options());
  const at::Tensor space = workspace(product_workspace(batch, out, in) + (b.defined() ? out : 0), x);
  if (x.is_meta()) return result;
  const Kind kind = kind_of(x);
  auto* const blocks = space.data_ptr<float>();
  float* const bias = b.defined() ? blocks : nullptr;
  if (b.defined()) kernels().to_float(kind, b.const_data_ptr(), bias, out);
  product({kind, x.const_data_ptr(), batch, in, false}, {kind, w.const_data_ptr(), out, in, true},
          {kind, result.y.mutable_data_ptr(), bias, act,
           keep_before ? result.before.mutable_data_ptr() : nullptr},
          batch, out, in, {b.defined() ? blocks + out : blocks, product_workspace(batch, out, in)});
  return result;
}

namespace {

// Multiply-adds of a product up to which its two sides are dealt to threads whole: less waiting at the ends
// of parallel regions is then worth more than a right matrix that is packed once for all.
constexpr std::int64_t kSmall = std::int64_t{1} << 27;
constexpr std::int64_t kMostThreads = 8;  // each pair of which packs the right matrices again
constexpr std::int64_t kLeastRows = 4 * kLeftPanel;

// The parts of the two products of a linear layer's backward that threads take whole: `pieces` of the rows of
// dx and as many of those of dw.
struct Pieces {
  std::int64_t pieces = 0;  // 0: one product after the other, each by all threads
  std::int64_t dx_rows = 0, dw_rows = 0, dx_floats = 0, dw_floats = 0;
  [[nodiscard]] std::int64_t floats() const { return pieces * (dx_floats + dw_floats); }
};

Pieces pieces_for(std::int64_t batch, std::int64_t in, std::int64_t out) {
  const std::int64_t threads = at::get_num_threads();
  if (threads % 2 != 0 || threads > kMostThreads || batch * in * out > kSmall ||
      avx512_panels(Kind::f32) == nullptr)
    return {};
  const auto part = [&](std::int64_t rows) {
    return std::max<std::int64_t>(1, (rows + threads / 2 - 1) / (threads / 2));
  };
  Pieces p{threads / 2, part(batch), part(out), 0, 0};
  p.dx_floats = product_workspace(p.dx_rows, in, out, /*in_parallel=*/true);
  p.dw_floats = product_workspace(p.dw_rows, in, batch, /*in_parallel=*/true);
  const bool pays = p.dx_rows >= kLeastRows && p.dw_rows >= kLeastRows &&
                    p.floats() * static_cast<std::int64_t>(sizeof(float)) <= workspace_bytes();
  return pays ? p : Pieces{};
}

}  // namespace

std::array<at::Tensor, 3> linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                                          const at::Tensor& saved, Act act, std::array<bool, 3> wanted) {
  const std::int64_t batch = x.size(0);
  const std::int64_t in = x.size(1);
  const std::int64_t out = w.size(0);
  std::array<at::Tensor, 3> grads;
  if (wanted[0]) grads[0] = at::empty({batch, in}, x.options());
  if (wanted[1]) grads[1] = at::empty({out, in}, x.options());
  if (wanted[2]) grads[2] = at::empty({out}, x.options());
  const Pieces p = wanted[0] && wanted[1] ? pieces_for(batch, in, out) : Pieces{};
  const std::int64_t floats = std::max({wanted[0] && p.pieces == 0 ? product_workspace(batch, in, out) : 0,
                                        wanted[1] && p.pieces == 0 ? product_workspace(out, in, batch) : 0,
                                        p.floats(), wanted[2] ? out : 0});
  // Before the activation, once and rounded: three passes read it.
  at::Tensor dz = dy;
  if (act != Act::none) {
    const memory::Tag tag(memory::Class::workspace, "numerics.activation");
    dz = at::empty(dy.sizes(), dy.options());
  }
  const at::Tensor space = workspace(floats, x);
  if (x.is_meta()) return grads;
  const Kind kind = kind_of(x);
  auto* blocks = space.data_ptr<float>();
  if (act != Act::none)
    activation_backward(kind, dy.const_data_ptr(), saved.const_data_ptr(), act, dy.numel(),
                        dz.mutable_data_ptr());
  Operand left{kind, dz.const_data_ptr(), batch, out, false};
  if (wanted[2]) {
    column_sums(left, blocks);
    kernels().from_float(kind, blocks, grads[2].mutable_data_ptr(), out);
  }
  const Operand weight{kind, w.const_data_ptr(), out, in, false},
      input{kind, x.const_data_ptr(), batch, in, false};
  // Rows [first, first + rows) of dx, and of dw.
  const auto dx = [&](std::int64_t first, std::int64_t rows, const Room& room) {
    const Operand its{kind, place(dz, first * out), rows, out, false};
    product(its, weight, {kind, place_in(grads[0], first * in)}, rows, in, out, room);
  };
  const auto dw = [&](std::int64_t first, std::int64_t rows, const Room& room) {
    const Operand its{kind, place(dz, first), batch, rows, true, out};
    product(its, input, {kind, place_in(grads[1], first * in)}, rows, in, batch, room);
  };
  if (p.pieces > 0) {
    at::parallel_for(0, 2 * p.pieces, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t piece = i / 2;
        float* const its = blocks + piece * (p.dx_floats + p.dw_floats);
        if (i % 2 == 0 && piece * p.dx_rows < batch)
          dx(piece * p.dx_rows, std::min(p.dx_rows, batch - piece * p.dx_rows), {its, p.dx_floats, true});
        if (i % 2 == 1 && piece * p.dw_rows < out)
          dw(piece * p.dw_rows, std::min(p.dw_rows, out - piece * p.dw_rows),
             {its + p.dx_floats, p.dw_floats, true});
      }
    });
    return grads;
  }
  if (wanted[0]) dx(0, batch, {blocks, floats});
  if (wanted[1]) dw(0, out, {blocks, floats});
  return grads;
}

}  // namespace ebb::numerics::cpu

// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/attention.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "numerics/cpu/guided_schedule.h"
#include "numerics/cpu/kernels.h"
#include "numerics/cpu/operand.h"
#include "numerics/cpu/workspace.h"

namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kRows = 70;  // of scores in a block: five tiles

// The rows of one head, at `column` of a tensor [B, T, row].
class Head {
 public:
  Head(const at::Tensor& tensor, const AttentionShape& shape, const at::Tensor& rope, std::int64_t b,
       std::int64_t column)
      : shape_(shape),
        dtype_(dtype_of(tensor)),
        row_(tensor.size(2)),
        data_(const_cast<char*>(static_cast<const char*>(tensor.const_data_ptr())) +
              (b * shape.length * row_ + column) * size_of(dtype_)),
        angles_(rope.defined() ? rope.const_data_ptr<float>() : nullptr) {}

  // Rows [first, first + n): in place, or rotated by their positions into `space`.
  Operand rows(std::int64_t first, std::int64_t n, bool transposed, float* space) const {
    if (angles_ == nullptr) return {dtype_, at_row(first), n, shape_.width, transposed, row_};
    for (std::int64_t t = 0; t < n; ++t) {
      load(first + t, space + t * shape_.width);
      kernels().rotate(cosines(first + t), sines(first + t), space + t * shape_.width, shape_.width);
    }
    return fp32_block(space, n, shape_.width, transposed);
  }
  // An fp32 operand beside this tensor.
  Operand fp32_block(const float* data, std::int64_t rows, std::int64_t columns, bool transposed) const {
    return fp32_operand(dtype_, data, rows, columns, transposed);
  }
  void load(std::int64_t t, float* out) const { kernels().to_float(dtype_, at_row(t), out, shape_.width); }
  // Stores row t and overwrites `values`. With angles it rotates back: the gradient of rows().
  void store(std::int64_t t, float* values) const {
    if (angles_ != nullptr) {
      float back[kMaxHeadWidth / 2];
      for (std::int64_t i = 0; i < shape_.width / 2; ++i) back[i] = -sines(t)[i];
      kernels().rotate(cosines(t), back, values, shape_.width);
    }
    kernels().from_float(dtype_, values, at_row(t), shape_.width);
  }

 private:
  [[nodiscard]] char* at_row(std::int64_t t) const { return data_ + t * row_ * size_of(dtype_); }
  [[nodiscard]] const float* cosines(std::int64_t t) const { return angles_ + t * (shape_.width / 2); }
  [[nodiscard]] const float* sines(std::int64_t t) const { return cosines(t + shape_.length); }

  const AttentionShape& shape_;
  Dtype dtype_;
  std::int64_t row_;
  char* data_;
  const float* angles_;
};

// The workspace of one part: blocks of fp32, then the scratch of its products.
class Space {
 public:
  explicit Space(float* floats) : next_(floats) {}
  float* take(std::int64_t floats) {
    float* const taken = next_;
    next_ += floats;
    return taken;
  }
  float* rest() { return next_; }

 private:
  float* next_;
};

// body(part, space) for each part, on one thread with its own floats of the workspace.
template <class Body>
void for_parts(std::int64_t parts, std::int64_t floats, const at::Tensor& like, const Body& body) {
  const at::Tensor all = workspace(at::get_num_threads() * floats, like);
  if (like.is_meta()) return;
  float* const space = all.data_ptr<float>();
  guided_schedule(parts, 1, at::get_num_threads(), [&](std::int64_t part, std::int64_t) {
    body(part, Space(space + at::get_thread_num() * floats));
  });
}

// The scratch of the products of any block of rows.
std::int64_t product_floats(const AttentionShape& s) {
  std::int64_t most = 0;
  for (std::int64_t first = 0; first < s.length; first += kRows) {
    const std::int64_t n = std::min(kRows, s.length - first), keys = first + n;
    most = std::max({most, product_workspace(n, keys, s.width, true),
                     product_workspace(n, s.width, keys, true), product_workspace(keys, s.width, n, true)});
  }
  return most;
}

struct Range {
  std::int64_t begin, end;
};

// The positions that position t of a sequence attends to.
Range seen_by(const at::Tensor& starts, const AttentionShape& s, std::int64_t b, std::int64_t t) {
  return {starts.defined() ? starts.const_data_ptr<std::int64_t>()[b * s.length + t] : 0, t + 1};
}

void clear_outside(float* row, std::int64_t begin, std::int64_t end, std::int64_t n) {
  std::fill(row, row + begin, 0.0F);
  std::fill(row + end, row + n, 0.0F);
}

float scale_of(const AttentionShape& shape) {
  return 1.0F / std::sqrt(static_cast<float>(shape.width));
}

}  // namespace

AttentionOutput attention_forward(const AttentionShape& s, const at::Tensor& qkv, const at::Tensor& rope,
                                  const at::Tensor& starts) {
  AttentionOutput result{at::empty({s.batch, s.length, s.queries * s.width}, qkv.options()),
                         at::empty({s.batch, s.queries, s.length}, qkv.options().dtype(at::kFloat))};
  const std::int64_t scratch_floats = product_floats(s);
  const std::int64_t floats =
      (rope.defined() ? s.length + kRows : 0) * s.width + kRows * (s.width + s.length) + scratch_floats;
  const float scale = scale_of(s);
  for_parts(s.batch * s.queries, floats, qkv, [&](std::int64_t part, Space space) {
    const Kernels& kern = kernels();
    const std::int64_t b = part / s.queries, h = part % s.queries, group = h / (s.queries / s.keys);
    const Head queries(qkv, s, rope, b, h * s.width), keys(qkv, s, rope, b, (s.queries + group) * s.width),
        values(qkv, s, {}, b, (s.queries + s.keys + group) * s.width), out(result.out, s, {}, b, h * s.width);
    float* const o = space.take(kRows * s.width);
    float* const p = space.take(kRows * s.length);
    float* const rotated_k = rope.defined() ? space.take(s.length * s.width) : nullptr;
    float* const rotated_q = rope.defined() ? space.take(kRows * s.width) : nullptr;
    float* const lse = result.lse.data_ptr<float>() + part * s.length;
    Operand k = keys.rows(0, s.length, true, rotated_k);
    for (std::int64_t first = 0; first < s.length; first += kRows) {
      const std::int64_t n = std::min(kRows, s.length - first), seen_by_all = first + n;
      k.rows = seen_by_all;
      product(queries.rows(first, n, false, rotated_q), k, fp32_result(p), n, seen_by_all, s.width,
              {space.rest(), scratch_floats, true});
      float sums[kRows];
      for (std::int64_t r = 0; r < n; ++r) {
        float* const row = p + r * seen_by_all;
        const auto [begin, end] = seen_by(starts, s, b, first + r);
        const float most = kern.reduce_max(row + begin, end - begin) * scale;
        sums[r] = kern.exponentials(row + begin, end - begin, scale, most);
        clear_outside(row, begin, end, seen_by_all);
        lse[first + r] = most + std::log(sums[r]);
      }
      product(queries.fp32_block(p, n, seen_by_all, false), values.rows(0, seen_by_all, false, nullptr),
              fp32_result(o), n, s.width, seen_by_all, {space.rest(), scratch_floats, true});
      for (std::int64_t r = 0; r < n; ++r) {
        kern.multiply(1.0F / sums[r], o + r * s.width, s.width);
        out.store(first + r, o + r * s.width);
      }
    }
  });
  return result;
}

at::Tensor attention_backward(const AttentionShape& s, const at::Tensor& dy, const at::Tensor& qkv,
                              const at::Tensor& rope, const at::Tensor& starts,
                              const AttentionOutput& forward) {
  const at::Tensor gradient = at::empty(qkv.sizes(), qkv.options());
  const std::int64_t scratch_floats = product_floats(s);
  const std::int64_t floats = (rope.defined() ? s.length + kRows : 0) * s.width + 2 * s.length * s.width +
                              kRows * (3 * s.width + 2 * s.length) + scratch_floats;
  const float scale = scale_of(s);
  // A part is a head of K and V with all heads of Q that share it, so their sums have one order.
  for_parts(s.batch * s.keys, floats, qkv, [&](std::int64_t part, Space space) {
    const Kernels& kern = kernels();
    const std::int64_t b = part / s.keys, group = part % s.keys, shared = s.queries / s.keys, w = s.width;
    const std::int64_t k_column = (s.queries + group) * w, v_column = (s.queries + s.keys + group) * w;
    const Head keys(qkv, s, rope, b, k_column), values(qkv, s, {}, b, v_column);
    float* const dk = space.take(s.length * w);
    float* const dv = space.take(s.length * w);
    float* const o = space.take(kRows * w);
    float* const d_o = space.take(kRows * w);
    float* const dq = space.take(kRows * w);
    float* const p = space.take(kRows * s.length);
    float* const dp = space.take(kRows * s.length);
    float* const rotated_k = rope.defined() ? space.take(s.length * w) : nullptr;
    float* const rotated_q = rope.defined() ? space.take(kRows * w) : nullptr;
    std::fill_n(dk, 2 * s.length * w, 0.0F);
    Operand k = keys.rows(0, s.length, true, rotated_k);
    for (std::int64_t h = group * shared; h < (group + 1) * shared; ++h) {
      const Head queries(qkv, s, rope, b, h * w), out(forward.out, s, {}, b, h * w),
          d_out(dy, s, {}, b, h * w);
      const float* const lse = forward.lse.const_data_ptr<float>() + (b * s.queries + h) * s.length;
      for (std::int64_t first = 0; first < s.length; first += kRows) {
        const std::int64_t n = std::min(kRows, s.length - first), seen_by_all = first + n;
        const Operand q = queries.rows(first, n, false, rotated_q), d = d_out.rows(first, n, false, nullptr);
        k.rows = seen_by_all;
        k.transposed = true;
        product(q, k, fp32_result(p), n, seen_by_all, w, {space.rest(), scratch_floats, true});
        product(d, values.rows(0, seen_by_all, true, nullptr), fp32_result(dp), n, seen_by_all, w,
                {space.rest(), scratch_floats, true});
        for (std::int64_t r = 0; r < n; ++r) {
          float* const row = p + r * seen_by_all;
          const auto [begin, end] = seen_by(starts, s, b, first + r);
          kern.exponentials(row + begin, end - begin, scale, lse[first + r]);
          clear_outside(row, begin, end, seen_by_all);
        }
        const Operand p_transposed = queries.fp32_block(p, n, seen_by_all, true);
        product(p_transposed, d, fp32_result(dv, true), seen_by_all, w, n,
                {space.rest(), scratch_floats, true});
        for (std::int64_t r = 0; r < n; ++r) {
          out.load(first + r, o);
          d_out.load(first + r, d_o);
          const auto [begin, end] = seen_by(starts, s, b, first + r);
          kern.softmax_gradient(dp + r * seen_by_all + begin, kern.dot(d_o, o, w), scale,
                                p + r * seen_by_all + begin, end - begin);
        }
        product(p_transposed, q, fp32_result(dk, true), seen_by_all, w, n,
                {space.rest(), scratch_floats, true});
        k.transposed = false;
        product(queries.fp32_block(p, n, seen_by_all, false), k, fp32_result(dq), n, w, seen_by_all,
                {space.rest(), scratch_floats, true});
        const Head d_queries(gradient, s, rope, b, h * w);
        for (std::int64_t r = 0; r < n; ++r) d_queries.store(first + r, dq + r * w);
      }
    }
    const Head d_keys(gradient, s, rope, b, k_column), d_values(gradient, s, {}, b, v_column);
    for (std::int64_t t = 0; t < s.length; ++t) {
      d_keys.store(t, dk + t * w);
      d_values.store(t, dv + t * w);
    }
  });
  return gradient;
}

}  // namespace ebb::numerics::cpu

#include "numerics/cpu/attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "numerics/cpu/gemm.h"
#include "numerics/cpu/kernels.h"
#include "numerics/cpu/workspace.h"

namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kRows = 64;  // of scores at a time

// One head's rows of a tensor [B, T, row], as fp32 [T, D] and back; with angles, turned by their positions.
class Head {
 public:
  Head(const AttentionShape& shape, const at::Tensor& rope)
      : shape_(shape), angles_(rope.defined() ? rope.const_data_ptr<float>() : nullptr) {}

  // Rows [first, first + n) of the head that begins at column `column` of rows `row` wide.
  void load(Kind kind, const void* data, std::int64_t b, std::int64_t row, std::int64_t column,
            std::int64_t first, std::int64_t n, bool turned, float* out) const {
    for (std::int64_t t = first; t < first + n; ++t, out += shape_.width) {
      const std::int64_t element = (b * shape_.length + t) * row + column;
      kernels().to_float(kind, static_cast<const char*>(data) + element * size_of(kind), out, shape_.width);
      if (turned && angles_ != nullptr) kernels().rotate(cosines(t), sines(t), out, shape_.width);
    }
  }
  // `values` is overwritten. Turned back: the gradient of what load() turned.
  void store(Kind kind, void* data, std::int64_t b, std::int64_t row, std::int64_t column, std::int64_t first,
             std::int64_t n, bool turned, float* values) const {
    float back[kWidest / 2];
    for (std::int64_t t = first; t < first + n; ++t, values += shape_.width) {
      if (turned && angles_ != nullptr) {
        for (std::int64_t i = 0; i < shape_.width / 2; ++i) back[i] = -sines(t)[i];
        kernels().rotate(cosines(t), back, values, shape_.width);
      }
      const std::int64_t element = (b * shape_.length + t) * row + column;
      kernels().from_float(kind, values, static_cast<char*>(data) + element * size_of(kind), shape_.width);
    }
  }

 private:
  static std::int64_t size_of(Kind kind) { return kind == Kind::f32 ? 4 : 2; }
  [[nodiscard]] const float* cosines(std::int64_t t) const { return angles_ + t * (shape_.width / 2); }
  [[nodiscard]] const float* sines(std::int64_t t) const { return cosines(t + shape_.length); }

  const AttentionShape& shape_;
  const float* angles_;
};

// Scores of rows [first, first + n) against the keys up to each row; those behind it are zeroed after use. Q
// is scaled when it is loaded.
void scores(const float* q, const float* k, std::int64_t first, std::int64_t n, std::int64_t width,
            float* out) {
  const std::int64_t keys = first + n;
  gemm(q, width, false, k, width, true, out, keys, n, keys, width, false);
}

float scale_of(const AttentionShape& shape) {
  return 1.0F / std::sqrt(static_cast<float>(shape.width));
}

void scale_by(float* values, std::int64_t n, float factor) {
  for (std::int64_t i = 0; i < n; ++i) values[i] *= factor;
}

struct Space {
  float* next;
  float* take(std::int64_t floats) {
    float* const taken = next;
    next += floats;
    return taken;
  }
};

// body(part, space): each part on one thread, with that thread's floats of the workspace.
template <class Body>
void for_parts(std::int64_t parts, std::int64_t floats, const at::Tensor& like, const Body& body) {
  const at::Tensor all = workspace(at::get_num_threads() * floats, like);
  if (like.is_meta()) return;
  float* const space = all.data_ptr<float>();
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part)
      body(part, Space{space + at::get_thread_num() * floats});
  });
}

}  // namespace

AttentionOutput attention_forward(const AttentionShape& s, const at::Tensor& qkv, const at::Tensor& rope) {
  AttentionOutput result{at::empty({s.batch, s.length, s.queries * s.width}, qkv.options()),
                         at::empty({s.batch, s.queries, s.length}, qkv.options().dtype(at::kFloat))};
  const std::int64_t floats = 2 * s.length * s.width + kRows * (2 * s.width + s.length);
  for_parts(s.batch * s.queries, floats, qkv, [&](std::int64_t part, Space space) {
    const Kernels& kern = kernels();
    const Kind kind = kind_of(qkv);
    const Head head(s, rope);
    const std::int64_t b = part / s.queries, h = part % s.queries, group = h / (s.queries / s.keys);
    float* const k = space.take(s.length * s.width);
    float* const v = space.take(s.length * s.width);
    float* const q = space.take(kRows * s.width);
    float* const o = space.take(kRows * s.width);
    float* const p = space.take(kRows * s.length);
    float* const lse = result.lse.data_ptr<float>() + part * s.length;
    head.load(kind, qkv.const_data_ptr(), b, s.row(), (s.queries + group) * s.width, 0, s.length, true, k);
    head.load(kind, qkv.const_data_ptr(), b, s.row(), (s.queries + s.keys + group) * s.width, 0, s.length,
              false, v);
    for (std::int64_t first = 0; first < s.length; first += kRows) {
      const std::int64_t n = std::min(kRows, s.length - first), keys = first + n;
      head.load(kind, qkv.const_data_ptr(), b, s.row(), h * s.width, first, n, true, q);
      scale_by(q, n * s.width, scale_of(s));
      scores(q, k, first, n, s.width, p);
      for (std::int64_t r = 0; r < n; ++r) {
        float* const row = p + r * keys;
        const std::int64_t seen = first + r + 1;
        const float most = kern.largest(row, seen);
        const float sum = kern.exponentials(row, seen, most);
        std::fill(row + seen, row + keys, 0.0F);
        scale_by(row, seen, 1.0F / sum);
        lse[first + r] = most + std::log(sum);
      }
      gemm(p, keys, false, v, s.width, false, o, s.width, n, s.width, keys, false);
      head.store(kind, result.out.mutable_data_ptr(), b, s.queries * s.width, h * s.width, first, n, false,
                 o);
    }
  });
  return result;
}

at::Tensor attention_backward(const AttentionShape& s, const at::Tensor& dy, const at::Tensor& qkv,
                              const at::Tensor& rope, const AttentionOutput& forward) {
  const at::Tensor gradient = at::empty(qkv.sizes(), qkv.options());
  const std::int64_t floats = 4 * s.length * s.width + kRows * (4 * s.width + 2 * s.length);
  // A part is a head of K and V with all the heads of Q that share it: their sums are made in one order.
  for_parts(s.batch * s.keys, floats, qkv, [&](std::int64_t part, Space space) {
    const Kernels& kern = kernels();
    const Kind kind = kind_of(qkv);
    const Head head(s, rope);
    const std::int64_t b = part / s.keys, group = part % s.keys, shared = s.queries / s.keys, w = s.width;
    const std::int64_t k_column = (s.queries + group) * w, v_column = (s.queries + s.keys + group) * w;
    float* const k = space.take(s.length * w);
    float* const v = space.take(s.length * w);
    float* const dk = space.take(s.length * w);
    float* const dv = space.take(s.length * w);
    float* const q = space.take(kRows * w);
    float* const o = space.take(kRows * w);
    float* const d_o = space.take(kRows * w);
    float* const dq = space.take(kRows * w);
    float* const p = space.take(kRows * s.length);
    float* const dp = space.take(kRows * s.length);
    std::fill_n(dk, 2 * s.length * w, 0.0F);
    head.load(kind, qkv.const_data_ptr(), b, s.row(), k_column, 0, s.length, true, k);
    head.load(kind, qkv.const_data_ptr(), b, s.row(), v_column, 0, s.length, false, v);
    for (std::int64_t h = group * shared; h < (group + 1) * shared; ++h) {
      const float* const lse = forward.lse.const_data_ptr<float>() + (b * s.queries + h) * s.length;
      for (std::int64_t first = 0; first < s.length; first += kRows) {
        const std::int64_t n = std::min(kRows, s.length - first), keys = first + n;
        head.load(kind, qkv.const_data_ptr(), b, s.row(), h * w, first, n, true, q);
        head.load(kind, forward.out.const_data_ptr(), b, s.queries * w, h * w, first, n, false, o);
        head.load(kind, dy.const_data_ptr(), b, s.queries * w, h * w, first, n, false, d_o);
        scale_by(q, n * w, scale_of(s));
        scores(q, k, first, n, w, p);
        gemm(d_o, w, false, v, w, true, dp, keys, n, keys, w, false);
        for (std::int64_t r = 0; r < n; ++r) {
          const std::int64_t seen = first + r + 1;
          kern.exponentials(p + r * keys, seen, lse[first + r]);
          std::fill(p + r * keys + seen, p + (r + 1) * keys, 0.0F);
        }
        gemm(p, keys, true, d_o, w, false, dv, w, keys, w, n, true);
        for (std::int64_t r = 0; r < n; ++r)
          kern.softmax_gradient(dp + r * keys, kern.dot(d_o + r * w, o + r * w, w), p + r * keys,
                                first + r + 1);
        gemm(p, keys, true, q, w, false, dk, w, keys, w, n, true);
        gemm(p, keys, false, k, w, false, dq, w, n, w, keys, false);
        scale_by(dq, n * w, scale_of(s));
        head.store(kind, gradient.mutable_data_ptr(), b, s.row(), h * w, first, n, true, dq);
      }
    }
    head.store(kind, gradient.mutable_data_ptr(), b, s.row(), k_column, 0, s.length, true, dk);
    head.store(kind, gradient.mutable_data_ptr(), b, s.row(), v_column, 0, s.length, false, dv);
  });
  return gradient;
}

}  // namespace ebb::numerics::cpu

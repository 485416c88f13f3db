// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "numerics/cpu/kernel_bodies.h"
#include "numerics/cpu/kernel_sequence.h"

// The functions and the table of a set, in their own namespace. `TARGET` is the attribute for their
// instruction set.
#define EBB_KERNEL_SET(TARGET, NAME)                                                                         \
  TARGET void to_float(Dtype k, const void* in, float* out, std::int64_t n) {                                \
    load<Convert>(k, in, out, n);                                                                            \
  }                                                                                                          \
  TARGET void from_float(Dtype k, const float* in, void* out, std::int64_t n) {                              \
    store<Convert>(k, in, out, n);                                                                           \
  }                                                                                                          \
  TARGET void finish(Dtype k, float* x, const float* b, Activation act, std::int64_t rows,                   \
                     std::int64_t columns, void* out, void* z) {                                             \
    finish_body<Convert>(k, x, b, act, rows, columns, out, z);                                               \
  }                                                                                                          \
  TARGET void activation_gradient(Activation act, const float* s, float* g, std::int64_t n) {                \
    activation_gradient_body(act, s, g, n);                                                                  \
  }                                                                                                          \
  TARGET void add(const float* in, float* sum, std::int64_t n) {                                             \
    add_body(in, sum, n);                                                                                    \
  }                                                                                                          \
  TARGET void add_rows(const float* x, std::int64_t r, std::int64_t c, float* s) {                           \
    add_rows_body(x, r, c, s);                                                                               \
  }                                                                                                          \
  TARGET void transpose(const float* in, std::int64_t r, std::int64_t c, float* out) {                       \
    transpose_body(in, r, c, out);                                                                           \
  }                                                                                                          \
  TARGET void adamw(Dtype wk, void* w, std::int16_t* residual, Dtype gk, const void* g, float* m, float* v,  \
                    const AdamWFactors& factors, std::int64_t n) {                                           \
    adamw_body<Convert>(wk, w, residual, gk, g, m, v, factors, n);                                           \
  }                                                                                                          \
  TARGET void split(Dtype k, const float* x, void* w, std::int16_t* residual, std::int64_t n) {              \
    split_body<Convert>(k, x, w, residual, n);                                                               \
  }                                                                                                          \
  TARGET void join(Dtype k, const void* w, const std::int16_t* residual, float* x, std::int64_t n) {         \
    join_body<Convert>(k, w, residual, x, n);                                                                \
  }                                                                                                          \
  TARGET void stats(Dtype k, const void* g, std::int64_t n, double* s, std::int64_t* bad) {                  \
    stats_body<Convert>(k, g, n, s, bad);                                                                    \
  }                                                                                                          \
  TARGET double bernoulli(Dtype k, const void* x, const std::uint8_t* t, std::int64_t n) {                   \
    return bernoulli_body<Convert>(k, x, t, n);                                                              \
  }                                                                                                          \
  TARGET void bernoulli_gradient(Dtype k, const void* x, const std::uint8_t* t, float scale, void* g,        \
                                 std::int64_t n) {                                                           \
    bernoulli_gradient_body<Convert>(k, x, t, scale, g, n);                                                  \
  }                                                                                                          \
  TARGET double kl(Dtype k, const void* mu, const void* l, std::int64_t n) {                                 \
    return kl_body<Convert>(k, mu, l, n);                                                                    \
  }                                                                                                          \
  TARGET void kl_gradient(Dtype k, const void* mu, const void* l, float s, void* dm, void* dl,               \
                          std::int64_t n) {                                                                  \
    kl_gradient_body<Convert>(k, mu, l, s, dm, dl, n);                                                       \
  }                                                                                                          \
  TARGET void unit_range(Dtype k, const std::uint8_t* in, void* out, std::int64_t n) {                       \
    unit_range_body<Convert>(k, in, out, n);                                                                 \
  }                                                                                                          \
  TARGET void norm(Dtype k, const void* x, const void* low, const float* w, const float* b, float eps,       \
                   std::int64_t rows, std::int64_t columns, void* y, float* mean, float* rstd) {             \
    norm_body<Convert>(k, x, low, w, b, eps, rows, columns, y, mean, rstd);                                  \
  }                                                                                                          \
  TARGET void norm_gradient(Dtype k, const void* dy, const void* x, const void* low, const float* w,         \
                            const float* mean, const float* rstd, std::int64_t rows, std::int64_t columns,   \
                            void* dx, float* dw, float* db) {                                                \
    norm_gradient_body<Convert>(k, dy, x, low, w, mean, rstd, rows, columns, dx, dw, db);                    \
  }                                                                                                          \
  TARGET void sum(Dtype k, const void* a, const void* b, void* out, std::int64_t n) {                        \
    sum_body<Convert>(k, a, b, out, n);                                                                      \
  }                                                                                                          \
  TARGET void split_sum(Dtype k, const void* x, const void* low, const void* added, void* out,               \
                        void* out_low, std::int64_t n) {                                                     \
    split_sum_body<Convert>(k, x, low, added, out, out_low, n);                                              \
  }                                                                                                          \
  TARGET float reduce_max(const float* x, std::int64_t n) {                                                  \
    return reduce_max_body(x, n);                                                                            \
  }                                                                                                          \
  TARGET float exponentials(float* x, std::int64_t n, float scale, float shift) {                            \
    return exponentials_body(x, n, scale, shift);                                                            \
  }                                                                                                          \
  TARGET void softmax_gradient(const float* dp, float delta, float scale, float* p, std::int64_t n) {        \
    softmax_gradient_body(dp, delta, scale, p, n);                                                           \
  }                                                                                                          \
  TARGET void multiply(float factor, float* x, std::int64_t n) {                                             \
    multiply_body(factor, x, n);                                                                             \
  }                                                                                                          \
  TARGET float dot(const float* a, const float* b, std::int64_t n) {                                         \
    return dot_body(a, b, n);                                                                                \
  }                                                                                                          \
  TARGET void rotate(const float* c, const float* s, float* x, std::int64_t n) {                             \
    rotate_body(c, s, x, n);                                                                                 \
  }                                                                                                          \
  TARGET void swiglu(Dtype k, const void* gate, const void* up, void* out, std::int64_t n) {                 \
    swiglu_body<Convert>(k, gate, up, out, n);                                                               \
  }                                                                                                          \
  TARGET void swiglu_gradient(Dtype k, const void* dy, const void* gate, const void* up, void* dg, void* du, \
                              std::int64_t n) {                                                              \
    swiglu_gradient_body<Convert>(k, dy, gate, up, dg, du, n);                                               \
  }                                                                                                          \
  constexpr Kernels kTable{NAME,                                                                             \
                           to_float,                                                                         \
                           from_float,                                                                       \
                           finish,                                                                           \
                           activation_gradient,                                                              \
                           add,                                                                              \
                           add_rows,                                                                         \
                           transpose,                                                                        \
                           adamw,                                                                            \
                           split,                                                                            \
                           join,                                                                             \
                           stats,                                                                            \
                           bernoulli,                                                                        \
                           bernoulli_gradient,                                                               \
                           kl,                                                                               \
                           kl_gradient,                                                                      \
                           unit_range,                                                                       \
                           norm,                                                                             \
                           norm_gradient,                                                                    \
                           sum,                                                                              \
                           split_sum,                                                                        \
                           reduce_max,                                                                       \
                           exponentials,                                                                     \
                           softmax_gradient,                                                                 \
                           multiply,                                                                         \
                           dot,                                                                              \
                           rotate,                                                                           \
                           swiglu,                                                                           \
                           swiglu_gradient};

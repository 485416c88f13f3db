#pragma once
#include <cstdint>

// The inner loops of the CPU's ops over plain memory; nothing here knows tensors. Three sets do
// the same operations in the same order, so that their results are bit-identical: one for any machine, one
// for AVX2 and one for AVX-512. `kernels()` picks once, by what the processor says.
namespace ebb::numerics::cpu {

enum class Kind : std::uint8_t { f32, f16, bf16 };
inline constexpr std::int64_t size_of(Kind kind) {  // bytes
  return kind == Kind::f32 ? 4 : 2;
}
enum class Act : std::uint8_t { none, relu, silu, gelu };  // gelu: by tanh

struct AdamWFactors {
  float keep;  // 1 - lr * weight_decay
  float beta1_rest, beta2, beta2_rest;
  float step_size;   // lr / (1 - beta1^t)
  float root_scale;  // 1 / sqrt(1 - beta2^t)
  float eps, gradient_scale;
};

struct Kernels {
  const char* name;
  void (*to_float)(Kind kind, const void* in, float* out, std::int64_t n);
  void (*from_float)(Kind kind, const float* in, void* out, std::int64_t n);
  // out = act(values + bias), row by row; `values` is overwritten. bias [columns] or null. `before`, if not
  // null, takes values + bias.
  void (*finish)(Kind kind, float* values, const float* bias, Act act, std::int64_t rows,
                 std::int64_t columns, void* out, void* before);
  // gradient *= act'(saved): `saved` is the output for relu, the value before the activation for the others.
  void (*activation_gradient)(Act act, const float* saved, float* gradient, std::int64_t n);
  void (*add)(const float* in, float* sum, std::int64_t n);
  // sums[c] += values[r, c], rows in order.
  void (*add_rows)(const float* values, std::int64_t rows, std::int64_t columns, float* sums);
  // [rows, columns] -> [columns, rows]
  void (*transpose)(const float* in, std::int64_t rows, std::int64_t columns, float* out);

  // One pass of AdamW over the split master. low is null for f32 weights.
  void (*adamw)(Kind weight_kind, void* weight, std::int16_t* low, Kind gradient_kind, const void* gradient,
                float* m, float* v, const AdamWFactors& how, std::int64_t n);
  void (*split)(Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n);
  void (*join)(Kind kind, const void* weight, const std::int16_t* low, float* master, std::int64_t n);
  // Sum of squares of the finite elements and the number of the others.
  void (*stats)(Kind kind, const void* gradient, std::int64_t n, double* square_sum,
                std::int64_t* non_finite);

  // Sum of softplus(x) - t x, t = target/255.
  double (*bernoulli)(Kind kind, const void* logits, const std::uint8_t* targets, std::int64_t n);
  // gradient = (sigmoid(x) - t) * scale
  void (*bernoulli_gradient)(Kind kind, const void* logits, const std::uint8_t* targets, float scale,
                             void* gradient, std::int64_t n);
  // Sum of (mu^2 + exp(l) - 1 - l) / 2.
  double (*kl)(Kind kind, const void* mu, const void* logvar, std::int64_t n);
  void (*kl_gradient)(Kind kind, const void* mu, const void* logvar, float scale, void* d_mu, void* d_logvar,
                      std::int64_t n);
  // out = in / 255
  void (*unit_range)(Kind kind, const std::uint8_t* in, void* out, std::int64_t n);

  // Row by row: y = (x - mean) * rstd * w + b. mean null: RMS norm, which takes none off. b may be null.
  void (*norm)(Kind kind, const void* x, const float* w, const float* b, float eps, std::int64_t rows,
               std::int64_t columns, void* y, float* mean, float* rstd);
  // dx, and dw, db [columns] are added to (db null: none).
  void (*norm_gradient)(Kind kind, const void* dy, const void* x, const float* w, const float* mean,
                        const float* rstd, std::int64_t rows, std::int64_t columns, void* dx, float* dw,
                        float* db);
  // out = a + b; out may be either.
  void (*sum)(Kind kind, const void* a, const void* b, void* out, std::int64_t n);
  float (*largest)(const float* x, std::int64_t n);
  // x = exp(x scale - shift); gives the sum.
  float (*exponentials)(float* x, std::int64_t n, float scale, float shift);
  // p *= (dp - delta) scale
  void (*softmax_gradient)(const float* dp, float delta, float scale, float* p, std::int64_t n);
  void (*multiply)(float factor, float* x, std::int64_t n);
  float (*dot)(const float* a, const float* b, std::int64_t n);
  // Pairs (x[i], x[i + n/2]) are turned by the angles whose cosines and sines are given [n/2].
  void (*rotate)(const float* cosines, const float* sines, float* x, std::int64_t n);
  // out = silu(gate) * up
  void (*swiglu)(Kind kind, const void* gate, const void* up, void* out, std::int64_t n);
  void (*swiglu_gradient)(Kind kind, const void* dy, const void* gate, const void* up, void* d_gate,
                          void* d_up, std::int64_t n);
};

const Kernels& kernels();
const Kernels& scalar_kernels();
// Null where the processor has it not.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

}  // namespace ebb::numerics::cpu

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "numerics/activation.h"
#include "numerics/adamw_factors.h"
#include "numerics/dtype.h"

// The functions of libebb_cuda.so for numerics, shared by the program and the library. A function launches on
// the given stream (a cudaStream_t) over device memory and does not wait for the device. Callers need no CUDA
// header. Sums have a fixed order on every device.
namespace ebb::numerics {

inline constexpr int kCudaPartials = 2 * 512;         // doubles of `partial` for losses
inline constexpr std::int64_t kCudaPart = 65536;      // elements of a flat range that one block works on
inline constexpr std::int64_t kCudaWidestRow = 8192;  // maximum length of a row of a norm

// Blocks that share a range of n elements.
constexpr std::int64_t cuda_parts(std::int64_t n) {
  return (n + kCudaPart - 1) / kCudaPart;
}

namespace device {

// Throws Error(internal) with CUDA's own text if the last launch failed. Every function below calls it
// last.
void check_launch(const char* kernel);

int compute_capability();  // of the current device: 90 is 9.0; 0 if unknown

struct Update {
  void* weight;
  std::int16_t* residual;  // null for f32 weights
  const void* gradient;
  float *m, *v;
  std::int64_t n;
  float decay_factor;  // 1 - lr * weight_decay
};
struct Range {
  const void* data;
  std::int64_t n;
};

// One pass of AdamW over all items; `factors->decay_factor` is theirs.
void adamw(Dtype weight_dtype, Dtype gradient_dtype, const Update* items, std::int64_t count,
           const AdamWFactors* factors, void* stream);
void split(Dtype dtype, const float* master, void* weight, std::int16_t* residual, std::int64_t n,
           void* stream);
void join(Dtype dtype, const void* weight, const std::int16_t* residual, float* master, std::int64_t n,
          void* stream);
// out [count, 2]: sum of squares of the finite elements, number of all other elements. partial: two for each
// of all ranges' cuda_parts().
void stats(Dtype dtype, const Range* ranges, std::int64_t count, double* partial, double* out, void* stream);

void bernoulli(Dtype dtype, const void* logits, const std::uint8_t* targets, std::int64_t n, double* partial,
               float* out, void* stream);
// scale: one float on the device
void bernoulli_gradient(Dtype dtype, const void* logits, const std::uint8_t* targets, const float* scale,
                        void* gradient, std::int64_t n, void* stream);
void kl(Dtype dtype, const void* mu, const void* logvar, std::int64_t n, double* partial, float* out,
        void* stream);
void kl_gradient(Dtype dtype, const void* mu, const void* logvar, const float* scale, void* d_mu,
                 void* d_logvar, std::int64_t n, void* stream);
void unit_range(Dtype dtype, const std::uint8_t* in, void* out, std::int64_t n, void* stream);
void normal_rows(Dtype dtype, void* out, std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                 std::uint32_t stream_id, std::uint64_t first_row, void* stream);
// z = mu + exp(logvar / 2) eps
void reparameterize(Dtype dtype, const void* mu, const void* logvar, void* z, std::int64_t rows,
                    std::int64_t columns, std::uint64_t seed, std::uint64_t first_row, void* stream);
// d_logvar = dz exp(logvar / 2) eps / 2
void reparameterize_gradient(Dtype dtype, const void* dz, const void* logvar, void* d_logvar,
                             std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                             std::uint64_t first_row, void* stream);

// The second part of a residual stream (norm.h) before and after a sum; both null: it has one part.
struct LowParts {
  const void* of_x;
  void* of_sum;
};
// Row by row: sum = x + added (both null: x alone), y = (sum - mean) rstd w + b. mean null: RMS norm, which
// subtracts none. b may be null. At most kCudaWidestRow columns.
void norm(Dtype dtype, const void* x, const void* added, void* sum, LowParts low, const void* w,
          const void* b, float eps, std::int64_t rows, std::int64_t columns, void* y, float* mean,
          float* rstd, void* stream);
// x + low: the input of the norm; low may be null. dx has d_sum (or null) added. partial [parts, 2, columns];
// dw and db (or null) [columns].
void norm_gradient(Dtype dtype, const void* dy, const void* x, const void* low, const void* w,
                   const float* mean, const float* rstd, const void* d_sum, std::int64_t rows,
                   std::int64_t columns, void* dx, std::int64_t parts, float* partial, void* dw, void* db,
                   void* stream);
// first[c] = sum over parts of partial[part * stride + c], and second (or null) likewise from `columns` on.
void combine_columns(Dtype dtype, const float* partial, std::int64_t parts, std::int64_t columns,
                     std::int64_t stride, void* first, void* second, void* stream);

void activation(Dtype dtype, Activation act, const void* in, void* out, std::int64_t n, void* stream);
// dz = dy act'(saved) and db, the sums of its columns, if partial [parts, columns] is not null. saved: the
// output for relu and leaky_relu, the pre-activation for silu and gelu. Activation::none accesses neither it
// nor dz.
void activation_gradient(Dtype dtype, Activation act, const void* dy, const void* saved, void* dz,
                         std::int64_t rows, std::int64_t columns, std::int64_t parts, float* partial,
                         void* db, void* stream);
void swiglu(Dtype dtype, const void* gate, const void* up, void* out, std::int64_t n, void* stream);
void swiglu_gradient(Dtype dtype, const void* dy, const void* gate, const void* up, void* d_gate, void* d_up,
                     std::int64_t n, void* stream);
// Rotary positions of `heads` adjacent heads of 2 half elements in rows of in_stride and out_stride; angles
// [2, length, half]. back: by the opposite angle, which is the gradient.
void rotate(Dtype dtype, const void* in, std::int64_t in_stride, void* out, std::int64_t out_stride,
            const float* angles, std::int64_t tokens, std::int64_t length, std::int64_t heads,
            std::int64_t half, bool back, void* stream);

// losses[r] of logits [rows, stride], of which the first `vocabulary` count. With `gradient`,
// `gradient_factor` times the gradient replaces the logits. A target `ignored` does not count; any other
// target outside the vocabulary makes the loss NaN. The stride pads a row to whole packs of 16 bytes, and the
// padding is overwritten.
void head_rows(Dtype dtype, void* logits, std::int64_t stride, const std::int64_t* targets,
               std::int64_t ignored, std::int64_t rows, std::int64_t vocabulary, float z,
               float gradient_factor, bool gradient, float* losses, void* stream);
// out = in * factor[0] * by; factor on the device. In place if the dtypes are the same.
void scaled(Dtype from, const void* in, Dtype to, void* out, const float* factor, float by, std::int64_t n,
            void* stream);

}  // namespace device

// The launches of libebb_cuda.so. The program calls them through this table and does not link the library.
struct CudaTable {
  decltype(&device::compute_capability) compute_capability;
  decltype(&device::adamw) adamw;
  decltype(&device::split) split;
  decltype(&device::join) join;
  decltype(&device::stats) stats;
  decltype(&device::bernoulli) bernoulli;
  decltype(&device::bernoulli_gradient) bernoulli_gradient;
  decltype(&device::kl) kl;
  decltype(&device::kl_gradient) kl_gradient;
  decltype(&device::unit_range) unit_range;
  decltype(&device::normal_rows) normal;
  decltype(&device::reparameterize) reparameterize;
  decltype(&device::reparameterize_gradient) reparameterize_gradient;
  decltype(&device::norm) norm;
  decltype(&device::norm_gradient) norm_gradient;
  decltype(&device::activation) activation;
  decltype(&device::activation_gradient) activation_gradient;
  decltype(&device::swiglu) swiglu;
  decltype(&device::swiglu_gradient) swiglu_gradient;
  decltype(&device::rotate) rotate;
  decltype(&device::head_rows) head_rows;
  decltype(&device::scaled) scaled;
};

}  // namespace ebb::numerics

extern "C" const ebb::numerics::CudaTable* ebb_cuda_numerics();

#pragma once
#include <cstdint>

#include "numerics/cpu/kernels.h"

// What libebb_cuda.so gives to numerics: launches on the given stream over device pointers, none of which
// waits for the device. The host side needs no CUDA header. Sums are made in a fixed order: `partial` holds
// kCudaPartials doubles of device memory.
namespace ebb::numerics {

inline constexpr int kCudaPartials = 2 * 512;

struct CudaTable {
  void (*adamw)(cpu::Kind weight_kind, void* weight, std::int16_t* low, cpu::Kind gradient_kind,
                const void* gradient, float* m, float* v, const cpu::AdamWFactors* how, std::int64_t n,
                void* stream);
  void (*split)(cpu::Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n,
                void* stream);
  void (*join)(cpu::Kind kind, const void* weight, const std::int16_t* low, float* master, std::int64_t n,
               void* stream);
  // out [2]: sum of squares of the finite elements, number of the others
  void (*stats)(cpu::Kind kind, const void* gradient, std::int64_t n, double* partial, double* out,
                void* stream);
  void (*bernoulli)(cpu::Kind kind, const void* logits, const std::uint8_t* targets, std::int64_t n,
                    double* partial, float* out, void* stream);
  // scale: one float on the device
  void (*bernoulli_gradient)(cpu::Kind kind, const void* logits, const std::uint8_t* targets,
                             const float* scale, void* gradient, std::int64_t n, void* stream);
  void (*kl)(cpu::Kind kind, const void* mu, const void* logvar, std::int64_t n, double* partial, float* out,
             void* stream);
  void (*kl_gradient)(cpu::Kind kind, const void* mu, const void* logvar, const float* scale, void* d_mu,
                      void* d_logvar, std::int64_t n, void* stream);
  void (*unit_range)(cpu::Kind kind, const std::uint8_t* in, void* out, std::int64_t n, void* stream);
  void (*normal)(cpu::Kind kind, void* out, std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                 std::uint32_t stream_id, std::uint64_t first_row, void* stream);
  // z = mu + exp(logvar / 2) eps
  void (*reparameterize)(cpu::Kind kind, const void* mu, const void* logvar, void* z, std::int64_t rows,
                         std::int64_t columns, std::uint64_t seed, std::uint64_t first_row, void* stream);
  // d_logvar = dz exp(logvar / 2) eps / 2
  void (*reparameterize_gradient)(cpu::Kind kind, const void* dz, const void* logvar, void* d_logvar,
                                  std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                                  std::uint64_t first_row, void* stream);
};

}  // namespace ebb::numerics

// Table of libebb_cuda.so. Its sources: update.cu and losses.cu (compiled with -fmad=false), table.cpp.
extern "C" const ebb::numerics::CudaTable* ebb_cuda_numerics();

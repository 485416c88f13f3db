#pragma once
#include "numerics/cuda/table.h"

// The launches behind the table, one declaration an entry.
namespace ebb::numerics::device {

using cpu::Kind;

void adamw(Kind weight_kind, void* weight, std::int16_t* low, Kind gradient_kind, const void* gradient,
           float* m, float* v, const cpu::AdamWFactors* how, std::int64_t n, void* stream);
void split(Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n, void* stream);
void join(Kind kind, const void* weight, const std::int16_t* low, float* master, std::int64_t n,
          void* stream);
void stats(Kind kind, const void* gradient, std::int64_t n, double* partial, double* out, void* stream);
void bernoulli(Kind kind, const void* logits, const std::uint8_t* targets, std::int64_t n, double* partial,
               float* out, void* stream);
void bernoulli_gradient(Kind kind, const void* logits, const std::uint8_t* targets, const float* scale,
                        void* gradient, std::int64_t n, void* stream);
void kl(Kind kind, const void* mu, const void* logvar, std::int64_t n, double* partial, float* out,
        void* stream);
void kl_gradient(Kind kind, const void* mu, const void* logvar, const float* scale, void* d_mu,
                 void* d_logvar, std::int64_t n, void* stream);
void unit_range(Kind kind, const std::uint8_t* in, void* out, std::int64_t n, void* stream);
void normal_rows(Kind kind, void* out, std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                 std::uint32_t stream_id, std::uint64_t first_row, void* stream);
void reparameterize(Kind kind, const void* mu, const void* logvar, void* z, std::int64_t rows,
                    std::int64_t columns, std::uint64_t seed, std::uint64_t first_row, void* stream);
void reparameterize_gradient(Kind kind, const void* dz, const void* logvar, void* d_logvar, std::int64_t rows,
                             std::int64_t columns, std::uint64_t seed, std::uint64_t first_row, void* stream);

}  // namespace ebb::numerics::device

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

// See ops.h for the contract that all operators share. Random numbers come from Philox by key and position
// (base/philox.h), never from a generator's state.
namespace ebb::numerics {

// z = mu + exp(logvar / 2) * eps. mu, logvar [B, Z]. eps ~ N(0, 1) is drawn at (seed, RandomStream::latent,
// position + row, column). A sample therefore gets the same numbers for every world size and batch split.
// Backward draws eps again instead of keeping it.
at::Tensor reparameterize(const at::Tensor& mu, const at::Tensor& logvar, std::uint64_t seed,
                          std::int64_t position);

// Standard normals [rows, columns]. Row r has the key (seed, stream, first_row + r).
at::Tensor philox_normal(std::int64_t rows, std::int64_t columns, std::uint64_t seed, std::uint32_t stream,
                         std::int64_t first_row, at::ScalarType dtype, at::Device device);

}  // namespace ebb::numerics

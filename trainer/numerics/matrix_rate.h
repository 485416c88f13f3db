// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include "numerics/dtype.h"

namespace ebb::numerics {

// Floating-point operations a second of a large product in `dtype` on `device`, by linear() with the current
// number of threads: the best of several tries. Takes about a tenth of a second.
double measure_matrix_rate(Dtype dtype, at::Device device);

// The rate that store_matrix_rate() has stored in $XDG_CACHE_HOME/ebb (or ~/.cache/ebb). The key is processor
// or GPU, threads, dtype, and `concurrent_ranks`: how many ranks of the machine measured at once. 0 if the
// file has no number for it.
double stored_matrix_rate(Dtype dtype, at::Device device, int concurrent_ranks);
// Does nothing if the folder is not writable.
void store_matrix_rate(Dtype dtype, at::Device device, int concurrent_ranks, double rate);

}  // namespace ebb::numerics

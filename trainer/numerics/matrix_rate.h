#pragma once
#include <ATen/ATen.h>

#include "numerics/precision.h"

namespace ebb::numerics {

// How many floating-point operations a second this device does in a large product of `dtype`, by the op
// linear() and on as many threads as there are now: the best of some tries, in a tenth of a second or so.
double measure_matrix_rate(Dtype dtype, at::Device device);

// The same, measured once for a machine and kept in $XDG_CACHE_HOME/ebb (or ~/.cache/ebb), by processor or
// GPU, threads, dtype and how many ranks of the machine measured at once (`beside`), since they share it. 0:
// it is not known yet, or what is there is no number.
double known_matrix_rate(Dtype dtype, at::Device device, int beside);
// Where the folder cannot be written, the next run measures again.
void remember_matrix_rate(Dtype dtype, at::Device device, int beside, double rate);

}  // namespace ebb::numerics

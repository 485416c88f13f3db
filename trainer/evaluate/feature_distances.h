// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace ebb::evaluate {

// Measures of two sets of images by their features, such as those of FeatureExtractor. a [N, F], b [M, F]:
// fp32 on the CPU, one row for each image. All arithmetic is fp64. A value depends on the rows alone, except
// for the rounding of matrix products. Error(usage) states the numbers of rows if a set has too few.
// Error(numerics): a feature is infinite or not a number. Error(internal): other tensors.

// Squared Frechet distance of the Gaussians with the means and unbiased covariances of the sets (Heusel et
// al., "GANs trained by a two time-scale update rule", 2017): |mean a - mean b|^2 + tr(Ca + Cb - 2 (Ca
// Cb)^(1/2)). At least 2 rows each. With fewer than F + 1 rows the covariances are singular, and the value
// depends strongly on the number of rows. Memory: four matrices [F, F].
double frechet_distance(const at::Tensor& a, const at::Tensor& b);

struct KernelDistance {
  double mean = 0, deviation = 0;  // over the subsets; the divisor of the variance is their number
};

// Squared maximum mean discrepancy with the kernel (x.y / F + 1)^3, in its unbiased form (Binkowski et al.,
// "Demystifying MMD GANs", 2018). It is the mean over 100 subsets of n = min(1000, N, M) rows of each set,
// which are drawn without replacement from a fixed seed. If n is all rows of both sets, there is one subset,
// and the deviation is 0. The value may be negative. At least 2 rows each.
KernelDistance kernel_distance(const at::Tensor& a, const at::Tensor& b);

}  // namespace ebb::evaluate

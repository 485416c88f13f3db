// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

namespace ebb::evaluate {

// A measure of two sets of images by their features. Rows, types and errors are those of feature_distances.h.

struct PrecisionRecall {
  double precision = 0;  // share of `generated` within the manifold of `real`
  double recall = 0;     // share of `real` within the manifold of `generated`
};

// Kynkaanniemi et al., "Improved precision and recall metric for assessing generative models", 2019, with k
// = 3. The manifold of a set is the union of balls around its rows. The radius of each is the distance to the
// third nearest other row; the surface belongs to the ball. At least 4 rows each. The memory is bounded: see
// for_distance_blocks of pairwise.h.
PrecisionRecall precision_recall(const at::Tensor& real, const at::Tensor& generated);

}  // namespace ebb::evaluate

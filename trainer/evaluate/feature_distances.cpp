// SPDX-License-Identifier: Apache-2.0
#include "evaluate/feature_distances.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "evaluate/draws.h"
#include "evaluate/pairwise.h"
#include "memory/tag.h"

namespace ebb::evaluate {
namespace {

constexpr std::int64_t kBlockRows = 1024;  // converted to fp64 at once
constexpr std::int64_t kSubsets = 100;
constexpr std::int64_t kSubsetRows = 1000;

struct Moments {
  at::Tensor mean;        // [F]
  at::Tensor covariance;  // [F, F]
};

template <class Use>
void for_row_blocks(const at::Tensor& rows, const Use& use) {
  for (std::int64_t i = 0; i < rows.size(0); i += kBlockRows)
    use(rows.narrow(0, i, std::min(kBlockRows, rows.size(0) - i)).to(at::kDouble));
}

Moments moments_of(const at::Tensor& rows) {
  const std::int64_t n = rows.size(0), width = rows.size(1);
  Moments moments{at::zeros({width}, at::kDouble), at::zeros({width, width}, at::kDouble)};
  for_row_blocks(rows, [&](const at::Tensor& block) { moments.mean += block.sum(0); });
  moments.mean /= n;
  for_row_blocks(rows, [&](const at::Tensor& block) {
    const at::Tensor centred = block - moments.mean;
    moments.covariance.addmm_(centred.t(), centred);
  });
  moments.covariance /= n - 1;
  return moments;
}

// tr (Ca Cb)^(1/2). With Ca = R R', Ca Cb has the eigenvalues of the symmetric matrix R' Cb R. Rounding makes
// some of them negative.
double trace_of_root(const at::Tensor& ca, const at::Tensor& cb) {
  const auto eigen = at::linalg_eigh(ca, "L");
  const at::Tensor root = std::get<1>(eigen) * std::get<0>(eigen).clamp_min(0).sqrt();
  const at::Tensor product = at::mm(root.t(), at::mm(cb, root));
  return at::linalg_eigvalsh(product, "L").clamp_min(0).sqrt().sum().item<double>();
}

// [count, F] fp64: rows of `rows` without replacement (the first steps of Fisher and Yates' shuffle).
at::Tensor subset_of(const at::Tensor& rows, std::int64_t count, std::uint64_t subset) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows.size(0)));
  std::iota(order.begin(), order.end(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto bits = bits_of(Choice::subsets, subset, static_cast<std::uint32_t>(i));
    std::swap(order[static_cast<std::size_t>(i)],
              order[static_cast<std::size_t>(i + below(bits[0], rows.size(0) - i))]);
  }
  order.resize(static_cast<std::size_t>(count));
  return rows.index_select(0, at::tensor(order, at::kLong)).to(at::kDouble);
}

at::Tensor kernel(const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor base = at::mm(x, y.t()).div_(x.size(1)).add_(1);
  return base * base * base;
}

// The mean of the kernel over pairs of different rows.
double mean_of_pairs(const at::Tensor& rows) {
  const at::Tensor k = kernel(rows, rows);
  const auto n = static_cast<double>(rows.size(0));
  return (k.sum() - k.diagonal().sum()).item<double>() / (n * (n - 1));
}

double discrepancy(const at::Tensor& x, const at::Tensor& y) {
  return mean_of_pairs(x) + mean_of_pairs(y) - 2 * kernel(x, y).mean().item<double>();
}

}  // namespace

double frechet_distance(const at::Tensor& a, const at::Tensor& b) {
  check_features(a, b, 2, "the Frechet distance");
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "frechet distance");
  const Moments of_a = moments_of(a), of_b = moments_of(b);
  const double means = (of_a.mean - of_b.mean).square().sum().item<double>();
  const double traces = (of_a.covariance.trace() + of_b.covariance.trace()).item<double>();
  // The distance is not negative. Of equal sets, rounding may give a small negative number.
  return std::max(0.0, means + traces - 2 * trace_of_root(of_a.covariance, of_b.covariance));
}

KernelDistance kernel_distance(const at::Tensor& a, const at::Tensor& b) {
  check_features(a, b, 2, "the kernel distance");
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "kernel distance");
  const std::int64_t count = std::min({kSubsetRows, a.size(0), b.size(0)});
  if (count == a.size(0) && count == b.size(0)) return {discrepancy(a.to(at::kDouble), b.to(at::kDouble)), 0};
  double sum = 0, squares = 0;
  std::vector<double> values;
  for (std::uint64_t i = 0; i < kSubsets; ++i) {
    values.push_back(discrepancy(subset_of(a, count, 2 * i), subset_of(b, count, 2 * i + 1)));
    sum += values.back();
  }
  const double mean = sum / kSubsets;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / kSubsets)};
}

}  // namespace ebb::evaluate

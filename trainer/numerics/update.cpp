// SPDX-License-Identifier: Apache-2.0
#include "numerics/update.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "numerics/cpu/workspace.h"
#include "numerics/element_pointer.h"
#include "numerics/gpu/ops.h"

namespace ebb::numerics {
namespace {

constexpr std::int64_t kUpdatePart = 16384;  // minimum elements of a thread, and those of one partial sum

std::int16_t* residual_at(const at::Tensor& residual, std::int64_t i) {
  return residual.defined() ? residual.data_ptr<std::int16_t>() + i : nullptr;
}

void check_flat(const char* what, const char* name, const at::Tensor& t, std::int64_t n,
                const at::Tensor& like) {
  if (t.numel() != n || !t.is_non_overlapping_and_dense() || t.device() != like.device())
    throw Error(ExitCode::internal,
                fmt::format("{}: {} has {} elements on {}, but needs {} dense ones on {}", what, name,
                            t.numel(), t.device().str(), n, like.device().str()));
}

void check_residual(const char* what, const at::Tensor& weight, const at::Tensor& residual) {
  if (weight.scalar_type() == at::kFloat) return;
  if (!residual.defined() || residual.scalar_type() != at::kShort)
    throw Error(ExitCode::internal, fmt::format("{}: a weight of {} needs an int16 residual", what,
                                                c10::toString(weight.scalar_type())));
  check_flat(what, "the residual", residual, weight.numel(), weight);
}

float decay_factor_of(const AdamW& settings) {
  return static_cast<float>(1.0 - settings.lr * settings.weight_decay);
}

AdamWFactors factors(const AdamW& settings) {
  const double first = 1.0 - std::pow(settings.beta1, static_cast<double>(settings.step));
  const double second = 1.0 - std::pow(settings.beta2, static_cast<double>(settings.step));
  return {decay_factor_of(settings),
          static_cast<float>(1.0 - settings.beta1),
          static_cast<float>(settings.beta2),
          static_cast<float>(1.0 - settings.beta2),
          static_cast<float>(settings.lr / first),
          static_cast<float>(1.0 / std::sqrt(second)),
          static_cast<float>(settings.eps),
          static_cast<float>(settings.gradient_scale)};
}

}  // namespace

void split_master(const at::Tensor& master, const at::Tensor& weight, const at::Tensor& residual) {
  const std::int64_t n = master.numel();
  check_flat("split_master", "the weight", weight, n, master);
  check_flat("split_master", "the master", master, n, master);
  check_residual("split_master", weight, residual);
  if (master.scalar_type() != at::kFloat)
    throw Error(ExitCode::internal, "split_master: the master is not fp32");
  const Dtype dtype = dtype_of(weight);
  if (master.is_meta() || n == 0) return;
  if (master.is_cuda()) {
    cuda_table().split(dtype, master.const_data_ptr<float>(), weight.mutable_data_ptr(),
                       residual_at(residual, 0), n, cuda_stream(master));
    return;
  }
  at::parallel_for(0, n, kUpdatePart, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().split(dtype, master.const_data_ptr<float>() + begin,
                         mutable_element_pointer(weight, begin), residual_at(residual, begin), end - begin);
  });
}

at::Tensor join_master(const at::Tensor& weight, const at::Tensor& residual) {
  const std::int64_t n = weight.numel();
  check_flat("join_master", "the weight", weight, n, weight);
  check_residual("join_master", weight, residual);
  const Dtype dtype = dtype_of(weight);
  at::Tensor master = at::empty({n}, weight.options().dtype(at::kFloat));
  if (weight.is_meta() || n == 0) return master;
  if (weight.is_cuda()) {
    cuda_table().join(dtype, weight.const_data_ptr(), residual_at(residual, 0), master.data_ptr<float>(), n,
                      cuda_stream(weight));
    return master;
  }
  at::parallel_for(0, n, kUpdatePart, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().join(dtype, element_pointer(weight, begin), residual_at(residual, begin),
                        master.data_ptr<float>() + begin, end - begin);
  });
  return master;
}

namespace {

void check(const AdamWRange& u) {
  const std::int64_t n = u.weight.numel();
  check_flat("adamw_update", "the weight", u.weight, n, u.weight);
  check_flat("adamw_update", "the gradient", u.grad, n, u.weight);
  check_flat("adamw_update", "the first moment", u.m, n, u.weight);
  check_flat("adamw_update", "the second moment", u.v, n, u.weight);
  check_residual("adamw_update", u.weight, u.residual);
  (void)dtype_of(u.grad);
}

void update_on_cpu(const AdamWRange& u, const AdamW& settings) {
  const Dtype dtype = dtype_of(u.weight), gradient_dtype = dtype_of(u.grad);
  const AdamWFactors f = factors(settings);
  auto* first = u.m.data_ptr<float>();
  auto* second = u.v.data_ptr<float>();
  at::parallel_for(0, u.weight.numel(), kUpdatePart, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().adamw(dtype, mutable_element_pointer(u.weight, begin), residual_at(u.residual, begin),
                         gradient_dtype, element_pointer(u.grad, begin), first + begin, second + begin, f,
                         end - begin);
  });
}

void require_alike(const char* what, const at::Tensor& t, const at::Tensor& first) {
  if (t.scalar_type() == first.scalar_type() && t.device() == first.device()) return;
  throw Error(ExitCode::internal,
              fmt::format("{}: {} on {} beside {} on {}", what, c10::toString(t.scalar_type()),
                          t.device().str(), c10::toString(first.scalar_type()), first.device().str()));
}

// One gradient dtype at a time, because a launch has only one.
void update_on_cuda(const std::vector<AdamWRange>& ranges, const AdamW& settings) {
  const AdamWFactors f = factors(settings);
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    std::vector<device::Update> items;
    Dtype dtype{};
    for (const AdamWRange& u : ranges) {
      if (u.grad.scalar_type() != type) continue;
      dtype = dtype_of(u.grad);
      AdamW its = settings;
      its.weight_decay = u.weight_decay;
      items.push_back({u.weight.mutable_data_ptr(), residual_at(u.residual, 0), u.grad.const_data_ptr(),
                       u.m.data_ptr<float>(), u.v.data_ptr<float>(), u.weight.numel(), decay_factor_of(its)});
    }
    if (items.empty()) continue;
    cuda_table().adamw(dtype_of(ranges[0].weight), dtype, items.data(),
                       static_cast<std::int64_t>(items.size()), &f, cuda_stream(ranges[0].weight));
  }
}

void stats_on_cpu(const at::Tensor& grad, double* out) {
  const std::int64_t n = grad.numel();
  const Dtype dtype = dtype_of(grad);
  const std::int64_t parts = (n + kUpdatePart - 1) / kUpdatePart;
  std::vector<double> sums(static_cast<std::size_t>(parts));
  std::vector<std::int64_t> bad(static_cast<std::size_t>(parts));
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const auto i = static_cast<std::size_t>(p);
      cpu::kernels().stats(dtype, element_pointer(grad, p * kUpdatePart),
                           std::min(kUpdatePart, n - p * kUpdatePart), &sums[i], &bad[i]);
    }
  });
  out[0] = out[1] = 0;
  for (std::size_t p = 0; p < sums.size(); ++p) {
    out[0] += sums[p];
    out[1] += static_cast<double>(bad[p]);
  }
}

void stats_on_cuda(const std::vector<at::Tensor>& grads, double* out) {
  std::vector<device::Range> ranges;
  std::int64_t parts = 0;
  for (const at::Tensor& grad : grads) {
    ranges.push_back({grad.const_data_ptr(), grad.numel()});
    parts += cuda_parts(grad.numel());
  }
  const at::Tensor partial = cuda_partials(grads[0], 2 * parts, at::kDouble);
  cuda_table().stats(dtype_of(grads[0]), ranges.data(), static_cast<std::int64_t>(ranges.size()),
                     partial.data_ptr<double>(), out, cuda_stream(grads[0]));
}

}  // namespace

void adamw_update(const std::vector<AdamWRange>& ranges, const AdamW& settings) {
  if (settings.step < 1) throw Error(ExitCode::internal, "adamw_update: steps count from 1");
  for (const AdamWRange& u : ranges) {
    check(u);
    require_alike("adamw_update", u.weight, ranges[0].weight);
  }
  if (ranges.empty() || ranges[0].weight.is_meta()) return;
  if (ranges[0].weight.is_cuda()) return update_on_cuda(ranges, settings);
  for (const AdamWRange& u : ranges) {
    AdamW its = settings;
    its.weight_decay = u.weight_decay;
    update_on_cpu(u, its);
  }
}

void adamw_update(const at::Tensor& weight, const at::Tensor& residual, const at::Tensor& grad,
                  const at::Tensor& m, const at::Tensor& v, const AdamW& settings) {
  adamw_update({{weight, residual, grad, m, v, settings.weight_decay}}, settings);
}

at::Tensor gradient_stats(const std::vector<at::Tensor>& grads) {
  for (const at::Tensor& grad : grads) {
    check_flat("gradient_stats", "the gradient", grad, grad.numel(), grad);
    require_alike("gradient_stats", grad, grads[0]);
  }
  const auto count = static_cast<std::int64_t>(grads.size());
  const at::Device device = grads.empty() ? at::Device(at::kCPU) : grads[0].device();
  const at::Tensor found = at::zeros({count, 2}, at::TensorOptions().dtype(at::kDouble).device(device));
  if (grads.empty() || (device.is_meta() && !on_gpu(device))) return found;
  double* const out = found.data_ptr<double>();
  if (on_gpu(device))
    stats_on_cuda(grads, out);
  else
    for (std::int64_t i = 0; i < count; ++i) stats_on_cpu(grads[static_cast<std::size_t>(i)], out + 2 * i);
  return found;
}

}  // namespace ebb::numerics

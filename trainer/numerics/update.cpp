#include "numerics/update.h"

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

constexpr std::int64_t kPart = 16384;  // elements that a thread takes at least, and those of one partial sum

std::int16_t* low_at(const at::Tensor& low, std::int64_t i) {
  return low.defined() ? low.data_ptr<std::int16_t>() + i : nullptr;
}

void check_flat(const char* what, const char* name, const at::Tensor& t, std::int64_t n,
                const at::Tensor& like) {
  if (t.numel() != n || !t.is_non_overlapping_and_dense() || t.device() != like.device())
    throw Error(ExitCode::internal,
                fmt::format("{}: {} has {} elements on {}, where {} dense ones on {} are needed", what, name,
                            t.numel(), t.device().str(), n, like.device().str()));
}

void check_low(const char* what, const at::Tensor& weight, const at::Tensor& low) {
  if (weight.scalar_type() == at::kFloat) return;
  if (!low.defined() || low.scalar_type() != at::kShort)
    throw Error(ExitCode::internal, fmt::format("{}: a weight of {} needs an int16 residual", what,
                                                c10::toString(weight.scalar_type())));
  check_flat(what, "the residual", low, weight.numel(), weight);
}

float keep_of(const AdamW& how) {
  return static_cast<float>(1.0 - how.lr * how.weight_decay);
}

cpu::AdamWFactors factors(const AdamW& how) {
  const double first = 1.0 - std::pow(how.beta1, static_cast<double>(how.step));
  const double second = 1.0 - std::pow(how.beta2, static_cast<double>(how.step));
  return {keep_of(how),
          static_cast<float>(1.0 - how.beta1),
          static_cast<float>(how.beta2),
          static_cast<float>(1.0 - how.beta2),
          static_cast<float>(how.lr / first),
          static_cast<float>(1.0 / std::sqrt(second)),
          static_cast<float>(how.eps),
          static_cast<float>(how.gradient_scale)};
}

}  // namespace

void split_master(const at::Tensor& master, const at::Tensor& weight, const at::Tensor& low) {
  const std::int64_t n = master.numel();
  check_flat("split_master", "the weight", weight, n, master);
  check_flat("split_master", "the master", master, n, master);
  check_low("split_master", weight, low);
  if (master.scalar_type() != at::kFloat)
    throw Error(ExitCode::internal, "split_master: the master is not fp32");
  const cpu::Kind kind = cpu::kind_of(weight);
  if (master.is_meta() || n == 0) return;
  if (master.is_cuda()) {
    cuda_table().split(kind, master.const_data_ptr<float>(), weight.mutable_data_ptr(), low_at(low, 0), n,
                       cuda_stream(master));
    return;
  }
  at::parallel_for(0, n, kPart, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().split(kind, master.const_data_ptr<float>() + begin, mutable_element_pointer(weight, begin),
                         low_at(low, begin), end - begin);
  });
}

at::Tensor join_master(const at::Tensor& weight, const at::Tensor& low) {
  const std::int64_t n = weight.numel();
  check_flat("join_master", "the weight", weight, n, weight);
  check_low("join_master", weight, low);
  const cpu::Kind kind = cpu::kind_of(weight);
  at::Tensor master = at::empty({n}, weight.options().dtype(at::kFloat));
  if (weight.is_meta() || n == 0) return master;
  if (weight.is_cuda()) {
    cuda_table().join(kind, weight.const_data_ptr(), low_at(low, 0), master.data_ptr<float>(), n,
                      cuda_stream(weight));
    return master;
  }
  at::parallel_for(0, n, kPart, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().join(kind, element_pointer(weight, begin), low_at(low, begin),
                        master.data_ptr<float>() + begin, end - begin);
  });
  return master;
}

namespace {

void check(const Updated& u) {
  const std::int64_t n = u.weight.numel();
  check_flat("adamw_update", "the weight", u.weight, n, u.weight);
  check_flat("adamw_update", "the gradient", u.grad, n, u.weight);
  check_flat("adamw_update", "the first moment", u.m, n, u.weight);
  check_flat("adamw_update", "the second moment", u.v, n, u.weight);
  check_low("adamw_update", u.weight, u.low);
  (void)cpu::kind_of(u.grad);
}

void update_on_cpu(const Updated& u, const AdamW& how) {
  const cpu::Kind kind = cpu::kind_of(u.weight), gradient_kind = cpu::kind_of(u.grad);
  const cpu::AdamWFactors f = factors(how);
  auto* first = u.m.data_ptr<float>();
  auto* second = u.v.data_ptr<float>();
  at::parallel_for(0, u.weight.numel(), kPart, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().adamw(kind, mutable_element_pointer(u.weight, begin), low_at(u.low, begin), gradient_kind,
                         element_pointer(u.grad, begin), first + begin, second + begin, f, end - begin);
  });
}

void require_alike(const char* what, const at::Tensor& t, const at::Tensor& first) {
  if (t.scalar_type() == first.scalar_type() && t.device() == first.device()) return;
  throw Error(ExitCode::internal,
              fmt::format("{}: {} on {} beside {} on {}", what, c10::toString(t.scalar_type()),
                          t.device().str(), c10::toString(first.scalar_type()), first.device().str()));
}

// Those of one gradient type at a time: a launch has one.
void update_on_cuda(const std::vector<Updated>& ranges, const AdamW& how) {
  const cpu::AdamWFactors f = factors(how);
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    std::vector<device::Update> items;
    cpu::Kind kind{};
    for (const Updated& u : ranges) {
      if (u.grad.scalar_type() != type) continue;
      kind = cpu::kind_of(u.grad);
      AdamW its = how;
      its.weight_decay = u.weight_decay;
      items.push_back({u.weight.mutable_data_ptr(), low_at(u.low, 0), u.grad.const_data_ptr(),
                       u.m.data_ptr<float>(), u.v.data_ptr<float>(), u.weight.numel(), keep_of(its)});
    }
    if (items.empty()) continue;
    cuda_table().adamw(cpu::kind_of(ranges[0].weight), kind, items.data(),
                       static_cast<std::int64_t>(items.size()), &f, cuda_stream(ranges[0].weight));
  }
}

void stats_on_cpu(const at::Tensor& grad, double* out) {
  const std::int64_t n = grad.numel();
  const cpu::Kind kind = cpu::kind_of(grad);
  const std::int64_t parts = (n + kPart - 1) / kPart;
  std::vector<double> sums(static_cast<std::size_t>(parts));
  std::vector<std::int64_t> bad(static_cast<std::size_t>(parts));
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const auto i = static_cast<std::size_t>(p);
      cpu::kernels().stats(kind, element_pointer(grad, p * kPart), std::min(kPart, n - p * kPart), &sums[i],
                           &bad[i]);
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
  cuda_table().stats(cpu::kind_of(grads[0]), ranges.data(), static_cast<std::int64_t>(ranges.size()),
                     partial.data_ptr<double>(), out, cuda_stream(grads[0]));
}

}  // namespace

void adamw_update(const std::vector<Updated>& ranges, const AdamW& how) {
  if (how.step < 1) throw Error(ExitCode::internal, "adamw_update: steps count from 1");
  for (const Updated& u : ranges) {
    check(u);
    require_alike("adamw_update", u.weight, ranges[0].weight);
  }
  if (ranges.empty() || ranges[0].weight.is_meta()) return;
  if (ranges[0].weight.is_cuda()) return update_on_cuda(ranges, how);
  for (const Updated& u : ranges) {
    AdamW its = how;
    its.weight_decay = u.weight_decay;
    update_on_cpu(u, its);
  }
}

void adamw_update(const at::Tensor& weight, const at::Tensor& low, const at::Tensor& grad,
                  const at::Tensor& m, const at::Tensor& v, const AdamW& how) {
  adamw_update({{weight, low, grad, m, v, how.weight_decay}}, how);
}

at::Tensor gradient_stats(const std::vector<at::Tensor>& grads) {
  for (const at::Tensor& grad : grads) {
    check_flat("gradient_stats", "the gradient", grad, grad.numel(), grad);
    require_alike("gradient_stats", grad, grads[0]);
  }
  const auto count = static_cast<std::int64_t>(grads.size());
  const at::Device device = grads.empty() ? at::Device(at::kCPU) : grads[0].device();
  const at::Tensor found = at::zeros({count, 2}, at::TensorOptions().dtype(at::kDouble).device(device));
  if (grads.empty() || device.is_meta()) return found;
  double* const out = found.data_ptr<double>();
  if (device.is_cuda())
    stats_on_cuda(grads, out);
  else
    for (std::int64_t i = 0; i < count; ++i) stats_on_cpu(grads[static_cast<std::size_t>(i)], out + 2 * i);
  return found;
}

}  // namespace ebb::numerics

#include "numerics/update.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "numerics/cpu/workspace.h"
#include "numerics/cuda/front.h"
#include "numerics/place.h"

namespace ebb::numerics {
namespace {

constexpr std::int64_t kPart = 65536;  // elements handed to a thread at once, and those of one partial sum

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

cpu::AdamWFactors factors(const AdamW& how) {
  const double first = 1.0 - std::pow(how.beta1, static_cast<double>(how.step));
  const double second = 1.0 - std::pow(how.beta2, static_cast<double>(how.step));
  return {static_cast<float>(1.0 - how.lr * how.weight_decay),
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
    cpu::kernels().split(kind, master.const_data_ptr<float>() + begin, place_in(weight, begin),
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
    cpu::kernels().join(kind, place(weight, begin), low_at(low, begin), master.data_ptr<float>() + begin,
                        end - begin);
  });
  return master;
}

void adamw_update(const at::Tensor& weight, const at::Tensor& low, const at::Tensor& grad,
                  const at::Tensor& m, const at::Tensor& v, const AdamW& how) {
  const std::int64_t n = weight.numel();
  check_flat("adamw_update", "the weight", weight, n, weight);
  check_flat("adamw_update", "the gradient", grad, n, weight);
  check_flat("adamw_update", "the first moment", m, n, weight);
  check_flat("adamw_update", "the second moment", v, n, weight);
  check_low("adamw_update", weight, low);
  if (how.step < 1) throw Error(ExitCode::internal, "adamw_update: steps count from 1");
  const cpu::Kind kind = cpu::kind_of(weight);
  const cpu::Kind gradient_kind = cpu::kind_of(grad);
  const cpu::AdamWFactors f = factors(how);
  if (weight.is_meta() || n == 0) return;
  auto* first = m.data_ptr<float>();
  auto* second = v.data_ptr<float>();
  if (weight.is_cuda()) {
    cuda_table().adamw(kind, weight.mutable_data_ptr(), low_at(low, 0), gradient_kind, grad.const_data_ptr(),
                       first, second, &f, n, cuda_stream(weight));
    return;
  }
  at::parallel_for(0, n, kPart, [&](std::int64_t begin, std::int64_t end) {
    cpu::kernels().adamw(kind, place_in(weight, begin), low_at(low, begin), gradient_kind, place(grad, begin),
                         first + begin, second + begin, f, end - begin);
  });
}

GradientStats gradient_stats(const at::Tensor& grad) {
  const std::int64_t n = grad.numel();
  check_flat("gradient_stats", "the gradient", grad, n, grad);
  const cpu::Kind kind = cpu::kind_of(grad);
  if (grad.is_meta() || n == 0) return {0, 0};
  if (grad.is_cuda()) {
    const at::Tensor partials = cuda_partials(grad);
    const at::Tensor out = at::empty({2}, grad.options().dtype(at::kDouble));
    cuda_table().stats(kind, grad.const_data_ptr(), n, partials.data_ptr<double>(), out.data_ptr<double>(),
                       cuda_stream(grad));
    const at::Tensor here = out.cpu();
    return {here.const_data_ptr<double>()[0], static_cast<std::int64_t>(here.const_data_ptr<double>()[1])};
  }
  const std::int64_t parts = (n + kPart - 1) / kPart;
  std::vector<double> sums(static_cast<std::size_t>(parts));
  std::vector<std::int64_t> bad(static_cast<std::size_t>(parts));
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const auto i = static_cast<std::size_t>(p);
      cpu::kernels().stats(kind, place(grad, p * kPart), std::min(kPart, n - p * kPart), &sums[i], &bad[i]);
    }
  });
  GradientStats result{0, 0};
  for (std::size_t p = 0; p < sums.size(); ++p) {
    result.square_sum += sums[p];
    result.non_finite += bad[p];
  }
  return result;
}

}  // namespace ebb::numerics

// SPDX-License-Identifier: Apache-2.0
#include "numerics/losses.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "base/error.h"
#include "numerics/cpu/workspace.h"
#include "numerics/element_pointer.h"
#include "numerics/gpu/ops.h"
#include "numerics/no_double_backward.h"

namespace ebb::numerics {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kPart = 16384;  // elements of one partial sum, for any number of threads

at::Tensor scalar_like(const at::Tensor& t) {
  return at::empty({}, t.options().dtype(at::kFloat));
}

// Adds the partial sums of body(first, count) in order.
template <class Body>
at::Tensor sum_of_parts(const at::Tensor& like, std::int64_t n, const Body& body) {
  const std::int64_t parts = (n + kPart - 1) / kPart;
  std::vector<double> sums(static_cast<std::size_t>(parts));
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p)
      sums[static_cast<std::size_t>(p)] = body(p * kPart, std::min(kPart, n - p * kPart));
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return at::full({}, total, like.options().dtype(at::kFloat));
}

template <class Body>
void for_parts(std::int64_t n, const Body& body) {
  at::parallel_for(0, n, kPart, [&](std::int64_t begin, std::int64_t end) { body(begin, end - begin); });
}

struct Times : torch::autograd::Function<Times> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, double factor) {
    ctx->saved_data["factor"] = factor;
    if (on_gpu(x)) return x * factor;
    const at::Tensor out = scalar_like(x);
    if (!x.is_meta())
      *out.mutable_data_ptr<float>() = *x.const_data_ptr<float>() * static_cast<float>(factor);
    return out;
  }
  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    return {times(dy[0], ctx->saved_data["factor"].toDouble()), {}};
  }
};

struct Bernoulli : torch::autograd::Function<Bernoulli> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits, const at::Tensor& targets) {
    const at::Tensor x = logits.contiguous();
    const at::Tensor t = targets.contiguous();
    ctx->save_for_backward({x, t});
    const Dtype dtype = dtype_of(x);
    if (on_gpu(x)) {
      const at::Tensor out = scalar_like(x);
      const at::Tensor partials = cuda_partials(x, kCudaPartials, at::kDouble);
      cuda_table().bernoulli(dtype, x.const_data_ptr(), t.const_data_ptr<std::uint8_t>(), x.numel(),
                             partials.data_ptr<double>(), out.data_ptr<float>(), cuda_stream(x));
      return out;
    }
    if (x.is_meta()) return scalar_like(x);
    return sum_of_parts(x, x.numel(), [&](std::int64_t first, std::int64_t n) {
      return cpu::kernels().bernoulli(dtype, element_pointer(x, first),
                                      t.const_data_ptr<std::uint8_t>() + first, n);
    });
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("bernoulli_nll_sum");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& x = saved[0];
    const auto* targets = saved[1].is_meta() ? nullptr : saved[1].const_data_ptr<std::uint8_t>();
    const at::Tensor gradient = at::empty(x.sizes(), x.options());
    if (x.is_meta()) return {gradient, {}};
    const Dtype dtype = dtype_of(x);
    if (x.is_cuda()) {
      cuda_table().bernoulli_gradient(dtype, x.const_data_ptr(), targets, dy[0].const_data_ptr<float>(),
                                      gradient.mutable_data_ptr(), x.numel(), cuda_stream(x));
      return {gradient, {}};
    }
    const float scale = dy[0].item<float>();
    for_parts(x.numel(), [&](std::int64_t first, std::int64_t n) {
      cpu::kernels().bernoulli_gradient(dtype, element_pointer(x, first), targets + first, scale,
                                        mutable_element_pointer(gradient, first), n);
    });
    return {gradient, {}};
  }
};

struct GaussianKl : torch::autograd::Function<GaussianKl> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& mu_in, const at::Tensor& logvar_in) {
    const at::Tensor mu = mu_in.contiguous();
    const at::Tensor logvar = logvar_in.contiguous();
    ctx->save_for_backward({mu, logvar});
    const Dtype dtype = dtype_of(mu);
    if (on_gpu(mu)) {
      const at::Tensor out = scalar_like(mu);
      const at::Tensor partials = cuda_partials(mu, kCudaPartials, at::kDouble);
      cuda_table().kl(dtype, mu.const_data_ptr(), logvar.const_data_ptr(), mu.numel(),
                      partials.data_ptr<double>(), out.data_ptr<float>(), cuda_stream(mu));
      return out;
    }
    if (mu.is_meta()) return scalar_like(mu);
    return sum_of_parts(mu, mu.numel(), [&](std::int64_t first, std::int64_t n) {
      return cpu::kernels().kl(dtype, element_pointer(mu, first), element_pointer(logvar, first), n);
    });
  }

  static variable_list backward(AutogradContext* ctx, variable_list dy) {
    refuse_second_derivative("gaussian_kl_sum");
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& mu = saved[0];
    const at::Tensor& logvar = saved[1];
    const at::Tensor d_mu = at::empty(mu.sizes(), mu.options());
    const at::Tensor d_logvar = at::empty(mu.sizes(), mu.options());
    if (mu.is_meta()) return {d_mu, d_logvar};
    const Dtype dtype = dtype_of(mu);
    if (mu.is_cuda()) {
      cuda_table().kl_gradient(dtype, mu.const_data_ptr(), logvar.const_data_ptr(),
                               dy[0].const_data_ptr<float>(), d_mu.mutable_data_ptr(),
                               d_logvar.mutable_data_ptr(), mu.numel(), cuda_stream(mu));
      return {d_mu, d_logvar};
    }
    const float scale = dy[0].item<float>();
    for_parts(mu.numel(), [&](std::int64_t first, std::int64_t n) {
      cpu::kernels().kl_gradient(dtype, element_pointer(mu, first), element_pointer(logvar, first), scale,
                                 mutable_element_pointer(d_mu, first),
                                 mutable_element_pointer(d_logvar, first), n);
    });
    return {d_mu, d_logvar};
  }
};

}  // namespace

at::Tensor bernoulli_nll_sum(const at::Tensor& logits, const at::Tensor& targets) {
  if (logits.sizes() != targets.sizes() || targets.scalar_type() != at::kByte ||
      logits.device() != targets.device())
    throw Error(ExitCode::internal,
                fmt::format("bernoulli_nll_sum: logits [{}] need uint8 targets of the same shape on the same "
                            "device, not [{}] {}",
                            fmt::join(logits.sizes(), ", "), fmt::join(targets.sizes(), ", "),
                            c10::toString(targets.scalar_type())));
  return Bernoulli::apply(logits, targets);
}

at::Tensor gaussian_kl_sum(const at::Tensor& mu, const at::Tensor& logvar) {
  if (mu.sizes() != logvar.sizes() || mu.scalar_type() != logvar.scalar_type())
    throw Error(ExitCode::internal,
                fmt::format("gaussian_kl_sum: mu [{}] and logvar [{}] need one shape and one dtype",
                            fmt::join(mu.sizes(), ", "), fmt::join(logvar.sizes(), ", ")));
  return GaussianKl::apply(mu, logvar);
}

at::Tensor times(const at::Tensor& x, double factor) {
  if (x.dim() != 0 || x.scalar_type() != at::kFloat)
    throw Error(ExitCode::internal, fmt::format("times: [{}] {} is no fp32 scalar",
                                                fmt::join(x.sizes(), ", "), c10::toString(x.scalar_type())));
  return Times::apply(x, factor);
}

at::Tensor to_unit_range(const at::Tensor& images, at::ScalarType dtype) {
  if (images.scalar_type() != at::kByte)
    throw Error(ExitCode::internal,
                fmt::format("to_unit_range: images are {}, not uint8", c10::toString(images.scalar_type())));
  const at::Tensor in = images.contiguous();
  const at::Tensor out = at::empty(in.sizes(), in.options().dtype(dtype));
  const Dtype element = dtype_of(out);
  if (in.is_meta()) return out;
  if (in.is_cuda()) {
    cuda_table().unit_range(element, in.const_data_ptr<std::uint8_t>(), out.mutable_data_ptr(), in.numel(),
                            cuda_stream(in));
    return out;
  }
  for_parts(in.numel(), [&](std::int64_t first, std::int64_t n) {
    cpu::kernels().unit_range(element, in.const_data_ptr<std::uint8_t>() + first,
                              mutable_element_pointer(out, first), n);
  });
  return out;
}

}  // namespace ebb::numerics

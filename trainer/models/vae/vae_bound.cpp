// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "memory/ledger.h"
#include "models/vae/vae.h"
#include "numerics/ops.h"

namespace ebb::models {

namespace {

constexpr auto kStream = RandomStream::evaluation;

// Each draw has a key of its own, so that its noise is keyed by the position alone.
std::uint64_t key_of_draw(std::uint64_t seed, std::int64_t draw) {
  const auto bits = random_bits(seed, kStream, static_cast<std::uint64_t>(draw), 0);
  return std::uint64_t{bits[1]} << 32 | bits[0];
}

// log N(z; 0, 1) - log N(z; mu, deviation) for z = mu + deviation * noise, in fp64: [B].
at::Tensor log_prior_ratio(const at::Tensor& z, const at::Tensor& noise, const at::Tensor& log_variance) {
  const at::Tensor squares = noise.to(at::kDouble).square() - z.to(at::kDouble).square();
  return (squares + log_variance.to(at::kDouble)).sum(1) * 0.5;
}

}  // namespace

std::int64_t Vae::dimensions() const {
  const std::vector<std::int64_t>& dims = sample_.at(core::kImageField).dims;
  return dims[0] * dims[1] * dims[2];
}

at::Tensor Vae::log_likelihood_bound(const core::Batch& batch, std::int64_t draws, core::UnitRunner& runner) {
  if (draws < 1) throw Error(ExitCode::internal, fmt::format("a bound of {} draws was requested", draws));
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "bound");
  const at::Tensor& images = batch.field(core::kImageField);
  const at::Tensor code = encode(numerics::to_unit_range(images, dtype_), runner).to(at::kFloat);
  const at::Tensor mu = code.narrow(1, 0, config_.latent);
  const at::Tensor log_variance = code.narrow(1, config_.latent, config_.latent);
  const at::Tensor deviation = (log_variance * 0.5).exp();
  at::Tensor sum;  // [B]: log of the sum of the weights so far
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    const at::Tensor noise =
        numerics::philox_normal(batch.size(), config_.latent, key_of_draw(seed_, draw),
                                static_cast<std::uint32_t>(kStream), batch.position, at::kFloat, device_);
    const at::Tensor z = mu + deviation * noise;
    // The decoder rounds z to its dtype. That belongs to p(x|z), so the bound holds for 16 bits too.
    const at::Tensor weight =
        log_likelihoods(decode(z.to(dtype_), runner), images) + log_prior_ratio(z, noise, log_variance);
    sum = draw == 0 ? weight : at::logaddexp(sum, weight);
  }
  return on_host(sum - std::log(static_cast<double>(draws)));
}

}  // namespace ebb::models

// SPDX-License-Identifier: Apache-2.0
// The result of a sample does not depend on the other samples of its batch, so not on the number of ranks.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/gan/networks.h"
#include "models/gan_under_test.h"
#include "numerics/cpu/tiles.h"

namespace ebb::models {
namespace {

constexpr std::int64_t kBatch = 24, kPart = 8, kImageSide = 32;

void initialise(GanNetwork& network) {
  const at::NoGradGuard no_grad;
  for (core::Unit* unit : network.units())
    for (core::Parameter& p : unit->parameters) p.tensor.copy_(p.initial());
}

struct Results {
  at::Tensor images, logits, gradients;  // of the logits by the noise
};

Results results(GanGenerator& generator, GanDiscriminator& discriminator, const at::Tensor& noise) {
  core::PlainRunner runner;
  const at::Tensor z = noise.clone().requires_grad_();
  const at::Tensor images = generator.images(z, {}, runner);
  const at::Tensor logits = discriminator.logits(images, {}, runner);
  // Multiplied, so that they are normal numbers in fp16.
  return {images.detach(), logits.detach(), torch::autograd::grad({logits.sum() * 1024}, {z})[0]};
}

TEST(GanBatches, ASampleHasTheSameBitsInEachOfThem) {
  if (numerics::cpu::avx512_tiles() == nullptr)
    GTEST_SKIP() << "without AVX-512, BLAS sums in an order that depends on the size of the batch";
  for (const auto architecture : {GanArchitecture::dcgan, GanArchitecture::residual})
    for (const auto dtype : {numerics::Dtype::fp16, numerics::Dtype::fp32}) {
      SCOPED_TRACE(::testing::Message()
                   << static_cast<int>(architecture) << " " << numerics::scalar_type(dtype));
      GanConfig config;
      config.architecture = architecture;
      config.latent = 64, config.width = 16, config.max_width = 64, config.group_width = 16;
      ModelInputs inputs;
      inputs.dtype = dtype;
      inputs.seed = 2;
      const bool residual = architecture == GanArchitecture::residual;
      const ImageSize size{1, kImageSide};
      const auto generator = residual ? make_residual_generator(config, size, inputs)
                                      : make_dcgan_generator(config, size, inputs);
      const auto discriminator = residual ? make_residual_discriminator(config, size, inputs)
                                          : make_dcgan_discriminator(config, size, inputs);
      initialise(*generator), initialise(*discriminator);
      at::manual_seed(5);
      const at::Tensor noise = at::randn({kBatch, config.latent}).to(numerics::scalar_type(dtype));
      const Results whole = results(*generator, *discriminator, noise);
      for (std::int64_t first = 0; first < kBatch; first += kPart) {
        const Results part = results(*generator, *discriminator, noise.narrow(0, first, kPart));
        const auto differences = [&](const at::Tensor& a, const at::Tensor& b) {
          return a.ne(b.narrow(0, first, kPart)).sum().item<std::int64_t>();
        };
        EXPECT_EQ(differences(part.images, whole.images), 0);
        EXPECT_EQ(differences(part.logits, whole.logits), 0);
        EXPECT_EQ(differences(part.gradients, whole.gradients), 0);
      }
    }
}

}  // namespace
}  // namespace ebb::models

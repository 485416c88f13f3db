// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <functional>

#include "models/gan/augment.h"
#include "numerics/random.h"

namespace ebb::models {
namespace {

constexpr std::int64_t kSide = 16, kMost = kSide / 8, kShifts = 2 * kMost + 1;
constexpr double kChosen = -6, kNotChosen = 6;  // of a gate, for any probability that the tests use
constexpr std::uint64_t kSeed = 11;

at::Tensor images_of(std::int64_t count, std::int64_t channels, at::ScalarType dtype = at::kDouble) {
  at::manual_seed(5);
  return (at::rand({count, channels, kSide, kSide}, at::kDouble) * 2 - 1)
      .to(dtype)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor draws_of(std::int64_t count, std::int64_t position = 0,
                    RandomStream stream = RandomStream::augmentation,
                    AugmentedPhase phase = AugmentedPhase::discriminator) {
  return augmentation_draws(count, kSeed, stream, position, phase, at::kCPU);
}

// Draws that change no sample.
at::Tensor no_draws(std::int64_t count) {
  return at::full({count, kAugmentDraws}, kNotChosen, at::kFloat);
}

// The normal number that shifts by `pixels`.
float shift_draw(std::int64_t pixels) {
  const double uniform = (static_cast<double>(pixels + kMost) + 0.5) / static_cast<double>(kShifts);
  return at::special_ndtri(at::scalar_tensor(uniform, at::kDouble)).item<float>();
}

// Every shift by rows and columns, with and without a mirror image: one sample each.
struct Moves {
  std::vector<std::int64_t> rows, columns;
  std::vector<bool> mirrored;
  at::Tensor draws;
};
Moves all_moves() {
  Moves moves;
  moves.draws = no_draws(2 * kShifts * kShifts);
  auto draw = moves.draws.accessor<float, 2>();
  for (std::int64_t i = 0; i < moves.draws.size(0); ++i) {
    moves.rows.push_back(i / 2 % kShifts - kMost);
    moves.columns.push_back(i / 2 / kShifts - kMost);
    moves.mirrored.push_back(i % 2 == 1);
    draw[i][kShiftChoice] = draw[i][kMirrorChoice] = kChosen;
    draw[i][kShiftRows] = shift_draw(moves.rows.back());
    draw[i][kShiftColumns] = shift_draw(moves.columns.back());
    draw[i][kMirror] = moves.mirrored.back() ? -0.1F : 0.1F;
  }
  return moves;
}

std::int64_t reflected(std::int64_t pixel) {
  return pixel < 0 ? -pixel : pixel >= kSide ? 2 * (kSide - 1) - pixel : pixel;
}

// Shifts the image or its mirror image, one pixel at a time.
at::Tensor moved_by_loop(const at::Tensor& images, const Moves& moves) {
  const at::Tensor in = images.to(at::kDouble), out = at::empty_like(in);
  const auto from = in.accessor<double, 4>();
  auto to = out.accessor<double, 4>();
  for (std::int64_t b = 0; b < in.size(0); ++b)
    for (std::int64_t c = 0; c < in.size(1); ++c)
      for (std::int64_t y = 0; y < kSide; ++y)
        for (std::int64_t x = 0; x < kSide; ++x) {
          const auto sample = static_cast<std::size_t>(b);
          const std::int64_t row = reflected(y - moves.rows[sample]),
                             column = reflected(x - moves.columns[sample]);
          to[b][c][y][x] = from[b][c][row][moves.mirrored[sample] ? kSide - 1 - column : column];
        }
  return out.to(images.scalar_type());
}

double largest(const at::Tensor& t) {
  return t.to(at::kDouble).abs().max().item<double>();
}

TEST(GanAugment, ProbabilityZeroGivesTheTensorItself) {
  const at::Tensor images = images_of(3, 3, at::kHalf);
  EXPECT_TRUE(augment(images, draws_of(3), 0).is_same(images));
}

TEST(GanAugment, MovesArePixelsOfTheReflectedImage) {
  const Moves moves = all_moves();
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
    for (const std::int64_t channels : {1, 2, 3, 4}) {
      const at::Tensor images = images_of(moves.draws.size(0), channels, dtype);
      EXPECT_TRUE(at::equal(augment(images, moves.draws, 0.5), moved_by_loop(images, moves)))
          << c10::toString(dtype) << channels;
    }
}

TEST(GanAugment, NoDrawChangesNoBit) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor images = images_of(4, 3, dtype);
    EXPECT_TRUE(at::equal(augment(images, no_draws(4), 0.5), images));
  }
}

TEST(GanAugment, ColourIsItsFormula) {
  const at::Tensor draws = no_draws(5), images = images_of(5, 3);
  auto draw = draws.accessor<float, 2>();
  for (std::int64_t i = 0; i < 5; ++i) {
    draw[i][kBrightnessChoice] = draw[i][kContrastChoice] = draw[i][kSaturationChoice] = kChosen;
    draw[i][kBrightness] = 0.3F * static_cast<float>(i) - 0.7F;
    draw[i][kContrast] = 0.9F - 0.4F * static_cast<float>(i);
    draw[i][kSaturation] = 0.5F * static_cast<float>(i) - 1.2F;
  }
  const at::Tensor out = augment(images, draws, 0.5);
  for (std::int64_t i = 0; i < 5; ++i) {
    const double brightness = 0.2 * double{draw[i][kBrightness]},
                 contrast = std::exp2(0.5 * double{draw[i][kContrast]}),
                 saturation = std::exp2(double{draw[i][kSaturation]});
    const at::Tensor bright = (images[i] + brightness) * contrast, grey = bright.mean(0, true);
    EXPECT_LE(largest(out[i] - (grey + (bright - grey) * saturation)), 1e-12) << i;
    // Saturation leaves the mean of a pixel.
    EXPECT_LE(largest(out[i].mean(0, true) - grey), 1e-12) << i;
  }
  const at::Tensor one = images_of(5, 1), of_one = augment(one, draws, 0.5);
  for (std::int64_t i = 0; i < 5; ++i)
    EXPECT_LE(largest(of_one[i] - (one[i] + 0.2 * double{draw[i][kBrightness]}) *
                                      std::exp2(0.5 * double{draw[i][kContrast]})),
              1e-12);
}

TEST(GanAugment, SixteenBitsAreRoundedOnce) {
  const at::Tensor draws = draws_of(64);
  for (const auto dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor images = images_of(64, 3, dtype);
    const at::Tensor out = augment(images, draws, 1);
    EXPECT_EQ(out.scalar_type(), dtype);
    EXPECT_TRUE(at::equal(out, augment(images.to(at::kFloat), draws, 1).to(dtype)));
  }
}

TEST(GanAugment, EachOperationIsAsFrequentAsItsProbability) {
  constexpr std::int64_t kSamples = 4000;
  constexpr double kProbability = 0.4, kBound = 0.04;  // five standard deviations
  const at::Tensor draws = draws_of(kSamples);
  const auto share = [](const at::Tensor& which) { return which.to(at::kDouble).mean().item<double>(); };
  // One value everywhere: only brightness and contrast change it.
  const at::Tensor flat = at::full({kSamples, 1, kSide, kSide}, 0.25, at::kFloat);
  const at::Tensor same = augment(flat, draws, kProbability).eq(flat).flatten(1).all(1);
  EXPECT_NEAR(share(same), std::pow(1 - kProbability, 2), kBound);
  // Columns that grow: colour keeps their order, and only a mirror image turns it.
  const at::Tensor ramp = at::arange(kSide, at::kFloat).expand({kSamples, 1, kSide, kSide}) / double{kSide};
  const at::Tensor middle = augment(ramp, draws, kProbability).select(2, kSide / 2).squeeze(1);
  const at::Tensor turned = middle.select(1, kSide / 2) < middle.select(1, kSide / 2 - 1);
  EXPECT_NEAR(share(turned), kProbability / 2, kBound);
  // The middle row of a vertical ramp shows the shift of a sample without colour.
  const at::Tensor rows = at::arange(kSide, at::kFloat).view({kSide, 1}).expand({kSamples, 1, kSide, kSide});
  const at::Tensor row = augment(rows, draws, kProbability).select(2, kSide / 2).select(2, 0).squeeze(1);
  for (std::int64_t pixels = -kMost; pixels <= kMost; ++pixels) {
    const double expected = kProbability / double{kShifts} + (pixels == 0 ? 1 - kProbability : 0);
    const at::Tensor has = row.eq(static_cast<double>(kSide / 2 - pixels)).logical_and(same);
    EXPECT_NEAR(share(has) / share(same), expected, kBound) << pixels;
  }
}

TEST(GanAugment, DependsOnPositionsAlone) {
  const at::Tensor images = images_of(9, 3), whole = augment(images, draws_of(9, 100), 0.7);
  const at::Tensor parts = at::cat({augment(images.narrow(0, 0, 2), draws_of(2, 100), 0.7),
                                    augment(images.narrow(0, 2, 7), draws_of(7, 102), 0.7)});
  EXPECT_TRUE(at::equal(whole, parts));
  EXPECT_FALSE(at::equal(whole, augment(images, draws_of(9, 101), 0.7)));
}

TEST(GanAugment, NoTwoUsesShareNumbers) {
  std::vector<at::Tensor> all;
  for (const auto stream : {RandomStream::augmentation, RandomStream::augmentation_of_generated})
    for (const auto phase : {AugmentedPhase::discriminator, AugmentedPhase::generator})
      all.push_back(draws_of(50, 0, stream, phase).flatten());
  // The numbers that mix real and generated samples for a gradient penalty.
  all.push_back(numerics::philox_normal(50, 1, kSeed, static_cast<std::uint32_t>(RandomStream::augmentation),
                                        0, at::kFloat, at::kCPU)
                    .flatten());
  for (std::size_t a = 0; a < all.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      const at::Tensor equal = all[a].unsqueeze(1).eq(all[b]);
      // Of 360,000 pairs, one or two may be equal by chance.
      EXPECT_LE(equal.sum().item<std::int64_t>(), 2) << a << b;
    }
}

TEST(GanAugment, IsAffineInTheImages) {
  for (const std::int64_t channels : {1, 3}) {
    const at::Tensor draws = draws_of(32), a = images_of(32, channels), b = a.roll(1, 0);
    const at::Tensor mixed = augment(0.3 * a + 0.7 * b, draws, 0.8);
    EXPECT_LE(largest(mixed - (0.3 * augment(a, draws, 0.8) + 0.7 * augment(b, draws, 0.8))), 1e-12);
  }
}

at::Tensor gradient(const at::Tensor& f, const at::Tensor& x) {
  return torch::autograd::grad({f}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
}

TEST(GanAugment, ItsGradientIsTheAdjointMap) {
  const at::Tensor draws = draws_of(32), direction = images_of(32, 3), weight = direction.roll(3, 0);
  const at::Tensor x = images_of(32, 3).requires_grad_();
  const at::Tensor by_x = gradient((augment(x, draws, 0.8) * weight).sum(), x).detach();
  const at::Tensor change = augment(direction, draws, 0.8) - augment(at::zeros_like(direction), draws, 0.8);
  const auto product = [](const at::Tensor& a, const at::Tensor& b) { return (a * b).sum().item<double>(); };
  EXPECT_NEAR(product(by_x, direction), product(weight, change), 1e-9);
}

// The sum of squared gradients of a curved function of the augmented images, as in R1.
at::Tensor penalty(const at::Tensor& x, const at::Tensor& draws) {
  return gradient(augment(x, draws, 0.8).to(at::kDouble).sin().sum(), x).to(at::kDouble).square().sum();
}

TEST(GanAugment, DerivativesOfThePenaltyAreItsSlopes) {
  constexpr double kStep = 1e-5;
  const at::Tensor draws = draws_of(8), direction = images_of(8, 3);
  const at::Tensor at_point = direction.roll(3, 0);
  const auto slope = [&](const std::function<at::Tensor(const at::Tensor&)>& f) {
    const auto at_distance = [&](double step) {
      return f((at_point + step * direction).requires_grad_()).item<double>();
    };
    return (at_distance(kStep) - at_distance(-kStep)) / (2 * kStep);
  };
  const auto along = [&](const at::Tensor& x) { return (gradient(penalty(x, draws), x) * direction).sum(); };
  const at::Tensor x = at_point.detach().clone().requires_grad_();
  const double second = along(x).item<double>();
  EXPECT_NEAR(slope([&](const at::Tensor& y) { return penalty(y, draws); }), second, 1e-6 * std::abs(second));
  const double third = (gradient(along(x), x) * direction).sum().item<double>();
  EXPECT_NEAR(slope(along), third, 1e-6 * std::abs(third));
}

TEST(GanAugment, ItsSecondDerivativesAreThoseOfFp64) {
  const at::Tensor draws = draws_of(16);
  for (const auto& [dtype, bound] :
       {std::pair{at::kFloat, 2e-6}, std::pair{at::kHalf, 0.004}, std::pair{at::kBFloat16, 0.03}}) {
    const auto leaf = images_of(16, 3, dtype).requires_grad_();
    const auto exact = leaf.detach().to(at::kDouble).requires_grad_();
    const at::Tensor ours = gradient(penalty(leaf, draws), leaf).to(at::kDouble);
    const at::Tensor expected = gradient(penalty(exact, draws), exact);
    EXPECT_EQ(gradient(penalty(leaf, draws), leaf).scalar_type(), dtype);
    EXPECT_LE(((ours - expected).norm() / expected.norm()).item<double>(), bound) << c10::toString(dtype);
  }
}

TEST(GanAugment, ResultsAreChannelsLastAndMetaTensorsToo) {
  for (const std::int64_t channels : {1, 3}) {
    std::vector<std::vector<std::int64_t>> strides;
    for (const auto device : {at::kCPU, at::kMeta}) {
      const at::Tensor images = at::zeros({6, channels, kSide, kSide}, at::kHalf)
                                    .to(device)
                                    .contiguous(at::MemoryFormat::ChannelsLast)
                                    .requires_grad_();
      const at::Tensor draws =
          augmentation_draws(6, kSeed, RandomStream::augmentation, 0, AugmentedPhase::generator, device);
      const at::Tensor out = augment(images, draws, 0.5);
      EXPECT_EQ(out.sizes(), images.sizes());
      EXPECT_EQ(out.scalar_type(), at::kHalf);
      EXPECT_EQ(out.device().type(), device);
      EXPECT_TRUE(out.is_contiguous(at::MemoryFormat::ChannelsLast));
      EXPECT_EQ(gradient(out.sum(), images).sizes(), images.sizes());
      strides.push_back(out.strides().vec());
    }
    EXPECT_EQ(strides[0], strides[1]);
  }
}

}  // namespace
}  // namespace ebb::models

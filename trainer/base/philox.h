// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

namespace ebb {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): 128 random bits as a
// pure function of a 128-bit counter and a 64-bit key. All random numbers of a run are this function of
// (seed, stream, index, sub-index). A resumed run, a recomputation or another number of ranks therefore needs
// no saved generator state.
inline std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// The purpose of a random number. Each purpose has a separate stream, so that no two share numbers.
enum class RandomStream : std::uint32_t {
  sampler = 1,  // order of the samples of a dataset
  initialisation = 2,
  latent = 3,
  sampling = 4,  // of new images and text
  augmentation = 5,
  generator_latent = 6,  // noise of the generator's own phase
  measures = 7           // choices of the measures of generated images
};

// Returns random bits for the counter (index, sub-index, stream) and the run's seed.
inline std::array<std::uint32_t, 4> random_bits(std::uint64_t seed, RandomStream stream, std::uint64_t index,
                                                std::uint32_t sub) {
  return philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), sub,
                 static_cast<std::uint32_t>(stream)},
                seed);
}

// Returns a number in (0, 1]: never 0, so that the logarithm is finite.
inline float unit_interval(std::uint32_t bits) {
  return (static_cast<float>(bits >> 8) + 1.0F) * 0x1p-24F;
}

// Returns four standard normals (Box and Muller) from four words.
inline std::array<float, 4> normals(std::array<std::uint32_t, 4> bits) {
  constexpr float kTwoPi = 6.283185307179586F;
  std::array<float, 4> out{};
  for (int pair = 0; pair < 2; ++pair) {
    const float radius = std::sqrt(-2.0F * std::log(unit_interval(bits[2 * pair])));
    const float angle = kTwoPi * unit_interval(bits[2 * pair + 1]);
    out[2 * pair] = radius * std::cos(angle);
    out[2 * pair + 1] = radius * std::sin(angle);
  }
  return out;
}

}  // namespace ebb

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb::data {

// The sample at each position of the endless stream: a keyed permutation of [0, samples) for each epoch.
// Position p is sample permutation(seed, p / samples)[p % samples]. Each element is computed alone, so 10^9
// samples cost no memory and every position costs the same. Immutable, safe from any thread, allocates
// nothing. Checkpoints rely on the mapping: it never changes.
//
// The permutation is a balanced Feistel network over the smallest 2^(2h) >= samples. Its round function is
// Philox under a key of the epoch. A value outside [0, samples) is mapped again until it is inside (cycle
// walking, at most 4 times on average).
class Sampler {
 public:
  // samples in [1, 2^62], else Error(data). Without shuffle, position p is sample p % samples.
  Sampler(std::int64_t samples, std::uint64_t seed, bool shuffle);
  [[nodiscard]] std::int64_t sample_at(std::int64_t position) const;  // position >= 0
  [[nodiscard]] std::int64_t epoch_at(std::int64_t position) const { return position / samples_; }

 private:
  std::int64_t samples_;
  std::uint64_t seed_;
  bool shuffle_;
  int half_bits_ = 0;
};

}  // namespace ebb::data

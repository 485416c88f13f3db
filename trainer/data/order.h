#pragma once
#include <cstdint>

namespace ebb::data {

// The order of samples as a pure function of (seed, epoch, position): a permutation of [0, samples) for each
// epoch, computed element by element, so it costs no memory at 10^9 samples and any position costs the same.
// The stream is endless: position p is sample order(seed, p / samples, p % samples). Immutable, safe from any
// thread, allocates nothing. The mapping is part of what a checkpoint relies on: it never changes.
//
// How: a balanced Feistel network over the smallest 2^(2h) >= samples, whose round function is Philox under a
// key of the epoch; a value outside [0, samples) is sent through again until it is inside (cycle walking, at
// most 4 times on average).
class Order {
 public:
  // samples in [1, 2^62]; else Error(data). Without shuffle, position p is sample p % samples.
  Order(std::int64_t samples, std::uint64_t seed, bool shuffle);
  [[nodiscard]] std::int64_t sample_at(std::int64_t position) const;  // position >= 0
  [[nodiscard]] std::int64_t epoch_at(std::int64_t position) const { return position / samples_; }

 private:
  std::int64_t samples_;
  std::uint64_t seed_;
  bool shuffle_;
  int half_bits_ = 0;
};

}  // namespace ebb::data

#pragma once
#include <cstdint>

namespace ebb::data {

// The order of samples as a pure function of (seed, epoch, position): a permutation of [0, samples) computed element by element (a Feistel network over the smallest
// even-bit domain that holds it, with cycle walking), so it costs no memory at 10^9 samples.
// The stream is endless: position p is sample order(seed, p / samples, p % samples).
class Order {
 public:
  Order(std::int64_t samples, std::uint64_t seed, bool shuffle);
  [[nodiscard]] std::int64_t sample_at(std::int64_t position) const;
  [[nodiscard]] std::int64_t epoch_at(std::int64_t position) const { return position / samples_; }

 private:
  std::int64_t samples_;
  std::uint64_t seed_;
  bool shuffle_;
  int half_bits_;
};

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "core/stateful.h"
#include "train/loss_watch.h"

namespace ebb::train {

// Samples [begin, end) of the endless stream of samples.
struct SampleRange {
  std::int64_t begin = 0, end = 0;
  friend bool operator==(const SampleRange&, const SampleRange&) = default;
};

// The position of the run. The step determines the learning rate. The step and the skipped ranges determine
// the position in the stream of samples. Random numbers are functions of (seed, stream, index, sub-index):
// base/philox.h. A resumed run therefore needs no other state of the data, the random numbers and the
// schedule. The same on every rank, and for any number of ranks.
class Cursor final : public core::Stateful {
 public:
  static constexpr std::size_t kMaxRanges = 64;
  // The last position that a file may claim: with the skipped samples and another run it does not overflow.
  static constexpr std::int64_t kLastPosition = std::int64_t{1} << 60;

  // `samples_per_step`: global batch x batches of a step.
  Cursor(std::int64_t seed, std::int64_t samples_per_step)
      : seed_(seed), samples_per_step_(samples_per_step) {}

  std::int64_t step = 0;  // steps done
  LossWatch loss_watch;

  [[nodiscard]] std::int64_t stream_position() const;
  // Samples that no step uses, in their order. All of them are before stream_position().
  [[nodiscard]] const std::vector<SampleRange>& skipped() const { return skipped_; }
  [[nodiscard]] std::int64_t skipped_samples() const;
  // For a cursor that an earlier checkpoint has just restored: skips all samples that the run has used from
  // here to `end`, its position after the step in which it diverged. It does nothing if `end` is not ahead.
  // Error(numerics) if the list would have more than kMaxRanges.
  void skip_to(std::int64_t end);

  core::State state() override;
  // Throws nlohmann::json::exception for a negative step or position, one beyond kLastPosition, ranges that
  // are not in their order, and more than kMaxRanges.
  void restore(const nlohmann::json& values) override;

 private:
  std::int64_t seed_, samples_per_step_;
  std::vector<SampleRange> skipped_;
};

}  // namespace ebb::train

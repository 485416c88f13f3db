// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/folders.h"

namespace ebb::train {

// Thrown when a loss grows or a GAN collapses: all values are finite, but the training has failed.
class FailureSign : public DivergenceError {
 public:
  // `delay`: how many steps before this sign the training may have begun to fail.
  FailureSign(const std::string& message, std::int64_t delay) : DivergenceError(message), delay_(delay) {}
  [[nodiscard]] std::int64_t delay() const { return delay_; }

 private:
  std::int64_t delay_;
};

// The checkpoints of this process to which a diverged run can go back. The same on every rank.
class RollbackPoints {
 public:
  static constexpr int kMaxRollbacks = 3;  // without progress

  // `keep`: checkpoints that the store retains.
  explicit RollbackPoints(std::int64_t keep) : keep_(keep) {}

  // Takes a checkpoint that the run has resumed from or saved, and forgets the oldest one beyond `keep`.
  void add(const checkpoint::CheckpointFolder& checkpoint);
  // Returns the newest checkpoint at least `delay` steps old (at least 1), or else the oldest. Forgets those
  // after it. `begun`: steps that have begun, the failed one included; `delay`: FailureSign::delay().
  // Throws DivergenceError with the message of `error` and the reason: there is none from before this step,
  // or the run has gone back kMaxRollbacks times and has not passed furthest_ since.
  checkpoint::CheckpointFolder go_back(const DivergenceError& error, std::int64_t begun, std::int64_t delay);

 private:
  std::int64_t keep_;
  std::vector<checkpoint::CheckpointFolder> points_;  // the oldest first
  int rollbacks_ = 0;                                 // since the run last saved at or after furthest_
  std::int64_t furthest_ = 0;                         // the largest `begun` of all failures so far
};

}  // namespace ebb::train

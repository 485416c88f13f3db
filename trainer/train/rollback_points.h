// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/folders.h"

namespace ebb::train {

// A run fails although its values are finite.
class FailureSign : public DivergenceError {
 public:
  // `delay`: steps before the sign in which the training may already have failed.
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

  // A checkpoint that the run has resumed from or saved. The store has deleted the oldest beyond `keep`.
  void add(const checkpoint::CheckpointFolder& checkpoint);
  // Returns the newest checkpoint from before the failure, or else the oldest, and drops those after it.
  // `begun`: steps that have begun; `delay`: FailureSign::delay().
  // Throws DivergenceError with the message of `error` and the reason: there is none from before this step,
  // or the run has gone back kMaxRollbacks times and has not come further.
  checkpoint::CheckpointFolder go_back(const DivergenceError& error, std::int64_t begun, std::int64_t delay);

 private:
  std::int64_t keep_;
  std::vector<checkpoint::CheckpointFolder> points_;  // the oldest first
  int rollbacks_ = 0;                                 // since the last checkpoint from furthest_ on
  std::int64_t furthest_ = 0;                         // the last step at which the run has diverged, from 1
};

}  // namespace ebb::train

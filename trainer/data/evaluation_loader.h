// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "core/batch.h"
#include "data/dataset.h"

namespace ebb::data {

struct EvaluationPlan {
  std::int64_t global_batch = 1;
  int rank = 0, ranks = 1;
  bool pinned = false;

  // The largest part of a rank, in samples, if a batch has at most `samples`: a slot. At least 1.
  // Error(usage) for an invalid rank, or a global batch below 1.
  [[nodiscard]] std::int64_t rank_part(std::int64_t samples) const;
};

inline constexpr std::int64_t kEvaluationSlots = 2;
inline constexpr const char* kEvaluationOwner = "evaluation";  // of the slots, in the ledger

// Reads a split for evaluation: each sample once, in its stored order, shared among the ranks. Global batch
// b is samples [b*G, (b+1)*G); the last one may be shorter. Of n samples, rank r takes the r-th of R parts of
// ceil(n/R) samples, clipped to the batch. A part may be short or empty, but all ranks get the same number
// of batches.
//
// Memory: two slots of one part, class data, owner "evaluation", allocated by the constructor. next() reads
// on the caller's thread. For one thread at a time.
class EvaluationLoader {
 public:
  // Error(usage) for an invalid rank, or a batch below 1.
  EvaluationLoader(std::unique_ptr<Dataset> dataset, const EvaluationPlan& plan);
  ~EvaluationLoader();
  EvaluationLoader(const EvaluationLoader&) = delete;
  EvaluationLoader& operator=(const EvaluationLoader&) = delete;

  // The next part: fields [n, ...], n >= 0, on the CPU; empty after the last. `ids` are sample indices,
  // `position` is the index of the first, `step` counts the batches. `global_batch` counts the samples of
  // this global batch over all ranks: the mean of a loss is sum(loss * global_batch) / samples(). The caller
  // may hold one batch during the call; Error(internal) if it holds more.
  [[nodiscard]] std::optional<core::Batch> next();
  void restart();  // the next part is the first again; allocates nothing

  [[nodiscard]] std::int64_t batches() const;  // that next() returns from the first to the last
  [[nodiscard]] std::int64_t samples() const;  // of the split
  [[nodiscard]] const core::SampleSpec& spec() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::data

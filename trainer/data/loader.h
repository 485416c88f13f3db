#pragma once
#include <cstdint>
#include <memory>

#include "core/batch.h"
#include "data/config.h"
#include "data/dataset.h"

namespace ebb::data {

// This rank's micro-batches, read ahead by a background thread into `prefetch` slots allocated once. Global batch b is stream[b*G, (b+1)*G) on every world size; rank r of R with M micro-batches
// takes, of each micro-batch's G/M consecutive samples, the r-th R-th.
struct LoaderPlan {
  std::int64_t global_batch;   // G, divisible by ranks * micro_batches (else Error(usage) with the figures and the nearest that is)
  std::int64_t micro_batches = 1;
  int rank = 0, ranks = 1;
  std::uint64_t seed = 0;
  bool shuffle = true;
  std::int64_t prefetch = 4;   // slots, each of one micro-batch
  bool pinned = false;
};

class Loader {
 public:
  // Starts reading at `first_step`.
  Loader(std::unique_ptr<Dataset> dataset, const LoaderPlan& plan, std::int64_t first_step);
  ~Loader();
  // The next micro-batch; its tensors view a slot that is given back when the last of them is gone. A read error of the background thread is thrown here.
  [[nodiscard]] core::Batch next();
  [[nodiscard]] std::int64_t samples() const;
  [[nodiscard]] ImageShape shape() const;
  [[nodiscard]] double waited_seconds() const;   // time that next() has waited in all: data wait

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::data

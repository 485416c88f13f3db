// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>

#include "core/batch.h"
#include "data/config.h"
#include "data/dataset.h"

namespace ebb::data {

// The part of the stream that a rank reads. Global batch b is stream[b*G, (b+1)*G) on any number of ranks,
// and step s uses the batches [s*B, (s+1)*B), without skipped ones. Each of a batch's M micro-batches is G/M
// consecutive samples of it. Rank r of R reads the r-th of R equal parts of every micro-batch. A rank's
// samples are thus a pure function of (seed, step, rank, ranks). Ranks exchange no message and read equally
// many batches. A resumed run starts at another step.
struct LoaderPlan {
  std::int64_t global_batch = 1;   // G; a multiple of ranks * micro_batches
  std::int64_t micro_batches = 1;  // M
  int rank = 0, ranks = 1;
  std::uint64_t seed = 0;
  bool shuffle = true;
  std::int64_t batches_per_step = 1;  // B: global batches of a step, one after another
  std::int64_t skipped_batches = 0;   // global batches before those of the first step that no step uses
  std::int64_t prefetch = 4;          // micro-batches read ahead
  std::int64_t held = 1;              // micro-batches that the caller of next() holds at once
  bool pinned = false;                // slots are page-locked, for copies to a GPU

  // Samples of one rank's micro-batch. Error(usage) for an impossible plan, with its figures and the nearest
  // possible ones.
  [[nodiscard]] std::int64_t rank_micro_batch() const;
  [[nodiscard]] std::int64_t slots() const { return prefetch + held; }  // of one micro-batch of a rank each
};

inline constexpr const char* kLoaderOwner = "prefetch";  // of the slots, in the ledger

// This rank's micro-batches, read ahead by a background thread. Memory: prefetch + held slots of one
// micro-batch each, class data, owner "prefetch". The constructor allocates all of it, and it stays constant.
// One thread calls next(). Any thread may drop a batch, even after the loader is destroyed.
class Loader {
 public:
  // Starts reading at micro-batch 0 of step `first_step`. Error(usage) for a plan whose ranks and
  // micro-batches do not divide the batch, Error(memory) if the slots do not fit.
  Loader(std::unique_ptr<Dataset> dataset, const LoaderPlan& plan, std::int64_t first_step);
  // Joins the thread. The thread stops after the sample that it is reading.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next micro-batch, on the CPU. Its tensors view a slot, which becomes free when the last of them is
  // destroyed. `position` is the position of its first sample in the stream; its samples are consecutive.
  // An error of the background thread is thrown in place of its batch, and again at every later call.
  // Error(internal) if the caller holds all prefetch + held batches, since the next one could never be
  // read.
  [[nodiscard]] core::Batch next();

  [[nodiscard]] std::int64_t samples() const;  // of the dataset
  [[nodiscard]] const core::SampleSpec& spec() const;
  [[nodiscard]] std::int64_t all_slots_bytes() const;  // of all slots together

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ebb::data

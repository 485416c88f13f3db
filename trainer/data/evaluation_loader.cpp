// SPDX-License-Identifier: Apache-2.0
#include "data/evaluation_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/slots.h"

namespace ebb::data {

std::int64_t EvaluationPlan::rank_part(std::int64_t samples) const {
  if (global_batch < 1 || ranks < 1 || rank < 0 || rank >= ranks) {
    throw Error(ExitCode::usage,
                fmt::format("an evaluation with global batch {} cannot be read on rank {} of {}",
                            global_batch, rank, ranks));
  }
  return (std::clamp<std::int64_t>(samples, 1, global_batch) + ranks - 1) / ranks;
}

struct EvaluationLoader::Impl {
  std::unique_ptr<Dataset> dataset;
  EvaluationPlan plan;
  std::shared_ptr<SlotPool> pool;
  std::int64_t step = 0;
  FillScratch scratch;
  const std::atomic<bool> never{false};

  Impl(std::unique_ptr<Dataset> d, const EvaluationPlan& p)
      : dataset(std::move(d)),
        plan(p),
        pool(SlotPool::make(kEvaluationSlots, dataset->spec(), p.rank_part(dataset->size()), p.pinned,
                            kEvaluationOwner)) {}

  std::optional<core::Batch> next() {
    const std::int64_t begin = step * plan.global_batch;
    if (begin >= dataset->size()) return std::nullopt;
    const std::int64_t end = std::min(begin + plan.global_batch, dataset->size());
    const std::int64_t part = plan.rank_part(end - begin);
    const std::int64_t first = std::min(begin + plan.rank * part, end);
    const std::int64_t count = std::min(first + part, end) - first;
    const auto slot = pool->try_acquire();
    if (!slot)
      throw Error(ExitCode::internal,
                  "next() was called while both batches of an evaluation loader are held; drop one first");
    const auto ids = pool->ids(*slot);
    std::iota(ids.begin(), ids.begin() + count, first);
    try {
      fill_slot(*dataset, *pool, *slot, count, scratch, never);
    } catch (...) {
      pool->release(*slot);
      throw;
    }
    core::Batch batch = pool->lend(*slot, count);
    batch.step = step++;
    batch.position = first;
    batch.global_batch = end - begin;
    return batch;
  }
};

EvaluationLoader::EvaluationLoader(std::unique_ptr<Dataset> dataset, const EvaluationPlan& plan)
    : impl_(std::make_unique<Impl>(std::move(dataset), plan)) {}
EvaluationLoader::~EvaluationLoader() = default;

std::optional<core::Batch> EvaluationLoader::next() {
  return impl_->next();
}
void EvaluationLoader::restart() {
  impl_->step = 0;
}
std::int64_t EvaluationLoader::batches() const {
  return (impl_->dataset->size() + impl_->plan.global_batch - 1) / impl_->plan.global_batch;
}
std::int64_t EvaluationLoader::samples() const {
  return impl_->dataset->size();
}
const core::SampleSpec& EvaluationLoader::spec() const {
  return impl_->dataset->spec();
}

}  // namespace ebb::data

#include "data/pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/slots.h"

namespace ebb::data {
namespace {

std::int64_t part_of(const PassPlan& plan) {
  if (plan.global_batch < 1 || plan.ranks < 1 || plan.rank < 0 || plan.rank >= plan.ranks) {
    throw Error(ExitCode::usage, fmt::format("a pass with global batch {} on rank {} of {} cannot be",
                                             plan.global_batch, plan.rank, plan.ranks));
  }
  return (plan.global_batch + plan.ranks - 1) / plan.ranks;
}

}  // namespace

struct Pass::Impl {
  std::unique_ptr<Dataset> dataset;
  PassPlan plan;
  std::int64_t part;
  std::shared_ptr<SlotPool> pool;
  std::int64_t step = 0;
  FillScratch scratch;
  const std::atomic<bool> never{false};

  Impl(std::unique_ptr<Dataset> d, const PassPlan& p)
      : dataset(std::move(d)),
        plan(p),
        part(part_of(p)),
        pool(SlotPool::make(2, dataset->spec(), part, p.pinned, "evaluation")) {}

  std::optional<core::Batch> next() {
    const std::int64_t begin = step * plan.global_batch;
    if (begin >= dataset->size()) return std::nullopt;
    const std::int64_t end = std::min(begin + plan.global_batch, dataset->size());
    const std::int64_t first = std::min(begin + plan.rank * part, end);
    const std::int64_t count = std::min(first + part, end) - first;
    const auto slot = pool->try_acquire();
    if (!slot)
      throw Error(ExitCode::internal, "a pass was asked for a batch while two of its batches are held");
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

Pass::Pass(std::unique_ptr<Dataset> dataset, const PassPlan& plan)
    : impl_(std::make_unique<Impl>(std::move(dataset), plan)) {}
Pass::~Pass() = default;

std::optional<core::Batch> Pass::next() {
  return impl_->next();
}
void Pass::restart() {
  impl_->step = 0;
}
std::int64_t Pass::batches() const {
  return (impl_->dataset->size() + impl_->plan.global_batch - 1) / impl_->plan.global_batch;
}
std::int64_t Pass::samples() const {
  return impl_->dataset->size();
}
const core::SampleSpec& Pass::spec() const {
  return impl_->dataset->spec();
}

}  // namespace ebb::data

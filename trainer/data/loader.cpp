// SPDX-License-Identifier: Apache-2.0
#include "data/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/sampler.h"
#include "data/slots.h"

namespace ebb::data {

std::int64_t LoaderPlan::rank_micro_batch() const {
  if (ranks < 1 || rank < 0 || rank >= ranks || micro_batches < 1 || global_batch < 1 || prefetch < 1) {
    throw Error(ExitCode::usage,
                fmt::format("data.batch {}, data.micro_batches {} and data.prefetch {} on rank {} of {} "
                            "are invalid: all must be at least 1",
                            global_batch, micro_batches, prefetch, rank, ranks));
  }
  const std::int64_t parts = ranks * micro_batches;
  if (global_batch % parts != 0) {
    const std::int64_t below = global_batch / parts * parts;
    const std::string nearest =
        below > 0 ? fmt::format("{} or {}", below, below + parts) : fmt::format("{}", parts);
    throw Error(ExitCode::usage,
                fmt::format("data.batch is {}, which {} ranks x {} micro-batches do not "
                            "divide: set it to {}, or choose another number of ranks or micro-batches",
                            global_batch, ranks, micro_batches, nearest));
  }
  return global_batch / parts;
}

struct Loader::Impl {
  struct Ready {
    std::size_t slot;
    std::int64_t step, position;
  };

  std::unique_ptr<Dataset> dataset;
  LoaderPlan plan;
  std::int64_t count;  // samples of a rank's micro-batch
  core::SampleSpec spec;
  std::int64_t samples;
  Sampler sampler;
  std::shared_ptr<SlotPool> pool;

  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Ready> ready;  // bounded by the slots
  std::exception_ptr failure;
  std::atomic<bool> stop{false};
  FillScratch scratch;  // of the thread
  std::thread thread;   // last: it uses all members above

  Impl(std::unique_ptr<Dataset> d, const LoaderPlan& p, std::int64_t first_step)
      : dataset(std::move(d)),
        plan(p),
        count(p.rank_micro_batch()),
        spec(dataset->spec()),
        samples(dataset->size()),
        sampler(samples, p.seed, p.shuffle),
        pool(SlotPool::make(p.slots(), spec, count, p.pinned, kLoaderOwner)),
        thread([this, first_step] { run(first_step); }) {}

  ~Impl() {
    stop = true;
    pool->close();
    thread.join();
  }

  void run(std::int64_t first_step) {
    try {
      for (std::int64_t step = first_step; !stop; ++step) {
        const std::int64_t first = step * plan.batches_per_step + plan.skipped_batches;
        for (std::int64_t batch = first; batch < first + plan.batches_per_step; ++batch) {
          for (std::int64_t micro = 0; micro < plan.micro_batches; ++micro) {
            if (!read(step, batch, micro)) return;
          }
        }
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      arrived.notify_all();
    }
  }

  // False once the loader is being destroyed.
  bool read(std::int64_t step, std::int64_t batch, std::int64_t micro) {
    const auto slot = pool->acquire();
    if (!slot) return false;
    const std::int64_t position = batch * plan.global_batch + (micro * plan.ranks + plan.rank) * count;
    const auto ids = pool->ids(*slot);
    for (std::int64_t i = 0; i < count; ++i)
      ids[static_cast<std::size_t>(i)] = sampler.sample_at(position + i);
    fill_slot(*dataset, *pool, *slot, count, scratch, stop);
    const std::lock_guard lock(mutex);
    ready.push_back({*slot, step, position});
    arrived.notify_all();
    return true;
  }

  core::Batch next() {
    std::unique_lock lock(mutex);
    if (ready.empty() && !failure) {
      if (pool->all_lent()) {
        throw Error(ExitCode::internal,
                    fmt::format("next() was called while all {} batches of the loader are held; "
                                "drop one first",
                                plan.slots()));
      }
      arrived.wait(lock, [this] { return !ready.empty() || failure; });
    }
    if (ready.empty()) std::rethrow_exception(failure);
    const Ready item = ready.front();
    ready.pop_front();
    lock.unlock();
    core::Batch batch = pool->lend(item.slot, count);
    batch.step = item.step;
    batch.position = item.position;
    batch.global_batch = plan.global_batch;
    return batch;
  }
};

Loader::Loader(std::unique_ptr<Dataset> dataset, const LoaderPlan& plan, std::int64_t first_step)
    : impl_(std::make_unique<Impl>(std::move(dataset), plan, first_step)) {}
Loader::~Loader() = default;

core::Batch Loader::next() {
  return impl_->next();
}
std::int64_t Loader::samples() const {
  return impl_->samples;
}
const core::SampleSpec& Loader::spec() const {
  return impl_->spec;
}
std::int64_t Loader::all_slots_bytes() const {
  return impl_->pool->bytes();
}

}  // namespace ebb::data

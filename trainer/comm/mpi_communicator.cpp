// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi_communicator.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "comm/check.h"
#include "comm/combine.h"

namespace ebb::comm {

namespace {

constexpr std::size_t kStagingBytes = 8 << 20, kMaxSliceBytes = 1 << 20;
constexpr std::size_t kChunkBytes = 64 << 20;  // of a broadcast or gather; MPI's counts are int

std::byte* bytes_of(const at::Tensor& tensor) {
  return static_cast<std::byte*>(tensor.data_ptr());
}

std::size_t others(int ranks) {
  return static_cast<std::size_t>(std::max(1, ranks - 1));
}

std::size_t slice_bytes_for(int ranks) {
  return std::min(kMaxSliceBytes, kStagingBytes / others(ranks)) / 64 * 64;
}

}  // namespace

std::size_t mpi_staging_bytes(int ranks) {
  return slice_bytes_for(ranks) * others(ranks);
}

struct MpiCommunicator::Job {
  Collective collective;
  std::uint64_t sequence = 0;
  bool done = false;
  double seconds = 0;
  std::exception_ptr error;
};

class MpiCommunicator::Handle final : public Work {
 public:
  Handle(MpiCommunicator& owner, std::shared_ptr<Job> job) : owner_(owner), job_(std::move(job)) {}
  void wait() override {
    std::unique_lock lock(owner_.mutex_);
    owner_.changed_.wait(lock, [&] { return job_->done; });
    if (job_->error) std::rethrow_exception(job_->error);
  }
  [[nodiscard]] double seconds() const override { return job_->seconds; }

 private:
  MpiCommunicator& owner_;
  std::shared_ptr<Job> job_;
};

MpiCommunicator::MpiCommunicator(MPI_Comm parent, double timeout_s, const memory::Ledger* ledger)
    : timeout_s_(timeout_s),
      transport_(std::make_unique<Transport>(parent, timeout_s, ledger)),
      slice_bytes_(slice_bytes_for(transport_->size())),
      staging_(mpi_staging_bytes(transport_->size()), memory::Class::communication, kMpiStagingOwner),
      thread_([this] { run_jobs(); }) {}

MpiCommunicator::~MpiCommunicator() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }
  thread_.join();
  // MPI may still write to the staging buffers of unfinished messages.
  if (transport_->broken()) {
    (void)transport_.release();
    new memory::Buffer(std::move(staging_));
  }
}

std::unique_ptr<Work> MpiCommunicator::start(Collective collective) {
  check(collective, size(), at::kCPU);
  auto job = std::make_shared<Job>();
  job->collective = std::move(collective);
  const std::lock_guard lock(mutex_);
  job->sequence = ++sequence_;
  queue_.push_back(job);
  changed_.notify_all();
  return std::make_unique<Handle>(*this, std::move(job));
}

void MpiCommunicator::run_jobs() {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = queue_.front();
      queue_.pop_front();
      job->error = broken_;  // after a failure no later collective is reliable
    }
    if (!job->error) {
      Operation operation;
      operation.what = name(job->collective.kind);
      operation.label = job->collective.label;
      operation.sequence = job->sequence;
      operation.bytes = input_bytes(job->collective);
      operation.started = std::chrono::steady_clock::now();
      operation.timeout_s = timeout_s_;
      try {
        execute(job->collective, operation);
        job->seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - operation.started).count();
      } catch (...) {
        job->error = std::current_exception();
        // MPI may still access the tensors, so they stay until the process ends.
        new Collective(job->collective);
      }
    }
    const std::lock_guard lock(mutex_);
    if (job->error) broken_ = job->error;
    job->collective = {};  // release the tensors before wait() returns
    job->done = true;
    changed_.notify_all();
  }
}

void MpiCommunicator::execute(const Collective& c, const Operation& operation) {
  Notice notice = make_notice(operation);
  notice.kind = static_cast<std::uint8_t>(c.kind);
  notice.op = static_cast<std::uint8_t>(c.op);
  notice.root = c.root;
  if (c.input.defined()) {
    notice.dtype = static_cast<std::int8_t>(c.input.scalar_type());
    notice.count = c.input.numel();
  }
  transport_->rendezvous(operation, notice, [](const Notice& a, const Notice& b) {
    return a.kind == b.kind && a.label_hash == b.label_hash && a.count == b.count && a.dtype == b.dtype &&
           a.op == b.op && a.root == b.root;
  });
  switch (c.kind) {
    case CollectiveKind::all_reduce:
      return all_reduce(c, operation);
    case CollectiveKind::reduce_scatter:
      return reduce_scatter(c, operation);
    case CollectiveKind::all_gather:
      return all_gather(c, operation);
    case CollectiveKind::broadcast:
      return broadcast(c, operation);
    case CollectiveKind::barrier:
      return;
  }
}

// In each round every rank combines one slice of the remaining elements, then all exchange their
// results.
void MpiCommunicator::all_reduce(const Collective& c, const Operation& o) {
  const auto element = c.input.element_size();
  const std::size_t total = static_cast<std::size_t>(c.input.numel()),
                    ranks = static_cast<std::size_t>(size());
  const std::size_t own = static_cast<std::size_t>(rank());
  std::byte* data = bytes_of(c.input);
  std::vector<Transfer> sends, receives;
  for (std::size_t begin = 0; begin < total;) {
    const std::size_t round = std::min(total - begin, slice_bytes_ / element * ranks);
    const std::size_t slice = (round + ranks - 1) / ranks;
    const auto first = [&](std::size_t r) { return begin + std::min(round, r * slice); };
    const auto count = [&](std::size_t r) {
      return std::min(round, (r + 1) * slice) - std::min(round, r * slice);
    };
    sends.clear();
    receives.clear();
    std::vector<const std::byte*> sources(ranks);
    for (std::size_t r = 0, slot = 0; r < ranks; ++r) {
      if (r == own) {
        sources[r] = data + first(own) * element;
        continue;
      }
      std::byte* stage = staging_.data() + slot++ * slice_bytes_;
      sources[r] = stage;
      if (count(r) > 0) sends.push_back({static_cast<int>(r), data + first(r) * element, count(r) * element});
      if (count(own) > 0) receives.push_back({static_cast<int>(r), stage, count(own) * element});
    }
    transport_->exchange(o, sends, receives);
    combine(c.input.scalar_type(), c.op, sources, data + first(own) * element, count(own));
    sends.clear();
    receives.clear();
    for (std::size_t r = 0; r < ranks; ++r) {
      if (r == own) continue;
      if (count(own) > 0)
        sends.push_back({static_cast<int>(r), data + first(own) * element, count(own) * element});
      if (count(r) > 0)
        receives.push_back({static_cast<int>(r), data + first(r) * element, count(r) * element});
    }
    transport_->exchange(o, sends, receives);
    begin += round;
  }
}

void MpiCommunicator::reduce_scatter(const Collective& c, const Operation& o) {
  const auto element = c.input.element_size();
  const std::size_t part = static_cast<std::size_t>(c.output.numel()),
                    ranks = static_cast<std::size_t>(size());
  const std::size_t own = static_cast<std::size_t>(rank());
  std::byte* data = bytes_of(c.input);
  std::vector<Transfer> sends, receives;
  for (std::size_t begin = 0; begin < part;) {
    const std::size_t count = std::min(part - begin, slice_bytes_ / element);
    sends.clear();
    receives.clear();
    std::vector<const std::byte*> sources(ranks);
    for (std::size_t r = 0, slot = 0; r < ranks; ++r) {
      if (r == own) {
        sources[r] = data + (own * part + begin) * element;
        continue;
      }
      std::byte* stage = staging_.data() + slot++ * slice_bytes_;
      sources[r] = stage;
      sends.push_back({static_cast<int>(r), data + (r * part + begin) * element, count * element});
      receives.push_back({static_cast<int>(r), stage, count * element});
    }
    transport_->exchange(o, sends, receives);
    combine(c.input.scalar_type(), c.op, sources, bytes_of(c.output) + begin * element, count);
    begin += count;
  }
}

void MpiCommunicator::all_gather(const Collective& c, const Operation& o) {
  const std::size_t part = c.input.nbytes(), ranks = static_cast<std::size_t>(size()),
                    own = static_cast<std::size_t>(rank());
  std::byte* out = bytes_of(c.output);
  if (part > 0) std::copy_n(bytes_of(c.input), part, out + own * part);
  std::vector<Transfer> sends, receives;
  for (std::size_t begin = 0; begin < part; begin += kChunkBytes) {
    const std::size_t bytes = std::min(part - begin, kChunkBytes);
    sends.clear();
    receives.clear();
    for (std::size_t r = 0; r < ranks; ++r) {
      if (r == own) continue;
      sends.push_back({static_cast<int>(r), out + own * part + begin, bytes});
      receives.push_back({static_cast<int>(r), out + r * part + begin, bytes});
    }
    transport_->exchange(o, sends, receives);
  }
}

void MpiCommunicator::broadcast(const Collective& c, const Operation& o) {
  const std::size_t total = c.input.nbytes();
  std::vector<Transfer> sends, receives;
  for (std::size_t begin = 0; begin < total; begin += kChunkBytes) {
    std::byte* data = bytes_of(c.input) + begin;
    const std::size_t bytes = std::min(total - begin, kChunkBytes);
    sends.clear();
    receives.clear();
    if (rank() != c.root) receives.push_back({c.root, data, bytes});
    for (int r = 0; rank() == c.root && r < size(); ++r)
      if (r != c.root) sends.push_back({r, data, bytes});
    transport_->exchange(o, sends, receives);
  }
}

}  // namespace ebb::comm

// SPDX-License-Identifier: Apache-2.0
#include "telemetry/heartbeat.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <utility>

#include "base/work_count.h"

namespace ebb::telemetry {
namespace {

// What changes while the training thread goes on.
struct TrainingState {
  std::int64_t step = 0;
  memory::Stage stage = memory::Stage::setup;
  std::int64_t host_blocks = 0, device_blocks = 0;  // of this step
  std::uint64_t work = 0;
  friend bool operator==(const TrainingState&, const TrainingState&) = default;
};

TrainingState training_state(const memory::Ledger& ledger, std::int64_t step) {
  using Location = memory::Ledger::Location;
  return {step, ledger.stage(), ledger.recorded_blocks(Location::host),
          ledger.recorded_blocks(Location::device), work_count()};
}

// The same pipe, opened again: its other descriptors stay blocking. -1: `fd` is nothing that can be opened.
int open_without_blocking(int fd) {
  return ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

// Leaves the line out if the pipe is full: the rank must not wait for its reader. A line is shorter than
// PIPE_BUF, so it is written as a whole or not at all.
bool write_line(int fd, const std::string& line) {
  return ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

}  // namespace

Heartbeat::Heartbeat(int rank, std::string host, const memory::Ledger& ledger,
                     std::chrono::milliseconds period, int fd)
    : rank_(rank), host_(std::move(host)), ledger_(ledger), fd_(open_without_blocking(fd)) {
  count_work_of_this_thread();
  thread_ = std::thread([this, period] { watch(period); });
}

Heartbeat::~Heartbeat() {
  {
    const std::scoped_lock lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
  if (fd_ >= 0) ::close(fd_);
}

void Heartbeat::watch(std::chrono::milliseconds period) {
  std::optional<TrainingState> sent;
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const TrainingState now = training_state(ledger_, step_.load(std::memory_order_relaxed));
    if (now != sent && write_line(fd_, format_heartbeat({rank_, now.step, now.stage, host_}))) sent = now;
    wake_.wait_for(lock, period, [this] { return ending_; });
  }
}

}  // namespace ebb::telemetry

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "memory/ledger.h"
#include "telemetry/heartbeat_line.h"

namespace ebb::telemetry {

// Tells `ebb launch` that the training thread of this rank goes on. A thread of its own compares the state of
// the training thread with that of the last line: step, stage, recorded blocks of memory, and work on files
// (base/work_count.h). It writes a line if anything has changed. It uses no file, since storage may hang.
class Heartbeat {
 public:
  // The calling thread is the training thread. Writes a line at once, then at most one each `period`.
  // `ledger` must outlive the object. `fd` is a pipe; it is opened again, so that no write waits for its
  // reader.
  Heartbeat(int rank, std::string host, const memory::Ledger& ledger, std::chrono::milliseconds period,
            int fd);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;
  void begin_step(std::int64_t step) { step_.store(step, std::memory_order_relaxed); }  // from 0

 private:
  void watch(std::chrono::milliseconds period);

  int rank_;
  std::string host_;
  const memory::Ledger& ledger_;
  int fd_;
  std::atomic<std::int64_t> step_{-1};
  std::mutex mutex_;  // guards ending_
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread thread_;  // last, since it uses the other members
};

}  // namespace ebb::telemetry

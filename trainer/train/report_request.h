// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>
#include <sys/types.h>

#include <functional>
#include <thread>

namespace ebb::train {

// SIGUSR2 requests a memory report after the current step. If request_report_now() of another rank sent it,
// the report is due at once. At most one object in a process. It handles the signal while it exists.
// Afterwards the process ignores the signal.
class ReportRequest {
 public:
  ReportRequest();
  ~ReportRequest();
  ReportRequest(const ReportRequest&) = delete;
  ReportRequest& operator=(const ReportRequest&) = delete;
  bool take();  // whether a report after the step was requested since the last call
  // Calls `report` on a thread of its own for each request of another rank, earlier ones included, until it
  // is replaced or null. `report` must not throw.
  void on_request_now(std::function<void()> report);

 private:
  void listen(const std::function<void()>& report) const;

  int read_end_ = -1;
  std::thread listener_;
};

// A request may be lost, or merge with one that is pending.
void request_report_now(pid_t rank);

}  // namespace ebb::train

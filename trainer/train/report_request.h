// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <signal.h>

namespace ebb::train {

// SIGUSR2 requests a memory report after the current step. At most one object in a process. It handles the
// signal while it exists, and its destructor restores the previous handler.
class ReportRequest {
 public:
  ReportRequest();
  ~ReportRequest();
  ReportRequest(const ReportRequest&) = delete;
  ReportRequest& operator=(const ReportRequest&) = delete;
  bool take();  // whether the signal came since the last call

 private:
  struct sigaction before_{};
};

}  // namespace ebb::train

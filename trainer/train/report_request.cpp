// SPDX-License-Identifier: Apache-2.0
#include "train/report_request.h"

namespace ebb::train {
namespace {

// Written by the handler, whose only argument is the signal.
volatile sig_atomic_t report_requested = 0;

void remember_report(int) {
  report_requested = 1;
}

}  // namespace

ReportRequest::ReportRequest() {
  struct sigaction action{};
  action.sa_handler = remember_report;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR2, &action, &before_);
}

ReportRequest::~ReportRequest() {
  sigaction(SIGUSR2, &before_, nullptr);
}

bool ReportRequest::take() {
  if (report_requested == 0) return false;
  report_requested = 0;
  return true;
}

}  // namespace ebb::train

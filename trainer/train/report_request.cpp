// SPDX-License-Identifier: Apache-2.0
#include "train/report_request.h"

namespace ebb::train {
namespace {

// Written by the handler, whose only argument is the signal.
volatile sig_atomic_t requested = 0;

void remember(int) {
  requested = 1;
}

}  // namespace

ReportRequest::ReportRequest() {
  struct sigaction action{};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR2, &action, &before_);
}

ReportRequest::~ReportRequest() {
  sigaction(SIGUSR2, &before_, nullptr);
}

bool ReportRequest::take() {
  if (requested == 0) return false;
  requested = 0;
  return true;
}

}  // namespace ebb::train

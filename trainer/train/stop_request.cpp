// SPDX-License-Identifier: Apache-2.0
#include "train/stop_request.h"

#include <array>

namespace ebb::train {

namespace {

constexpr std::array<int, 4> kSignals = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};

// The target of the handler, whose only argument is the signal. Null while no StopRequest exists.
volatile sig_atomic_t* volatile receiver = nullptr;

void remember(int number) {
  if (volatile sig_atomic_t* const to = receiver) *to = number;
}

}  // namespace

struct StopRequest::Handlers {
  std::array<struct sigaction, kSignals.size()> actions;
};

StopRequest::StopRequest() : before_(std::make_unique<Handlers>()) {
  receiver = &signal_;
  struct sigaction action{};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction& before = before_->actions[i];
    sigaction(kSignals[i], &action, &before);
    if (kSignals[i] == SIGHUP && before.sa_handler == SIG_IGN) sigaction(SIGHUP, &before, nullptr);
  }
}

StopRequest::~StopRequest() {
  if (!requested()) {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_->actions[i], nullptr);
    // mpirun may still send it, and would report a finished rank as killed.
    struct sigaction now{};
    if (sigaction(SIGUSR1, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) signal(SIGUSR1, SIG_IGN);
  }
  receiver = nullptr;
}

std::string StopRequest::signal_name() const {
  switch (signal_) {
    case 0:
      return "";
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGUSR1";
  }
}

}  // namespace ebb::train

#include "train/stop_request.h"

#include <signal.h>

#include <array>

namespace ebb::train {

namespace {

constexpr std::array<int, 3> kSignals = {SIGTERM, SIGINT, SIGUSR1};
volatile sig_atomic_t last_signal = 0;  // a signal handler may touch nothing else

void remember(int number) {
  last_signal = number;
}

}  // namespace

struct StopRequest::Handlers {
  std::array<struct sigaction, kSignals.size()> actions;
};

StopRequest::StopRequest() : before_(new Handlers) {
  last_signal = 0;
  struct sigaction action{};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_->actions[i]);
}

StopRequest::~StopRequest() {
  // Who has asked may ask again while the process is on its way out, which must not end it with another code.
  if (!requested())
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_->actions[i], nullptr);
  delete before_;
}

bool StopRequest::requested() {
  return last_signal != 0;
}

std::string StopRequest::signal_name() {
  switch (last_signal) {
    case 0:
      return "";
    case SIGTERM:
      return "SIGTERM";
    case SIGINT:
      return "SIGINT";
    default:
      return "SIGUSR1";
  }
}

}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
#include "train/report_request.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "base/error.h"

namespace ebb::train {
namespace {

constexpr char kReport = 'r', kEnd = 'e';
constexpr int kPeerRequest = 0x65626272;  // a person's kill(1) sends another value, or none

// Written by the handler, or read by it.
volatile sig_atomic_t report_requested = 0;
std::atomic<int> write_end{-1};

void send(char what) {
  while (::write(write_end.load(), &what, 1) < 0 && errno == EINTR) {
  }
}

void remember_report(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const int error = errno;
  if (info->si_code == SI_QUEUE && info->si_value.sival_int == kPeerRequest)
    send(kReport);
  else
    report_requested = 1;
  errno = error;
}

}  // namespace

ReportRequest::ReportRequest() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Error(ExitCode::internal, "cannot make a pipe for requests of reports");
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);  // a handler must not wait, even if the pipe is full
  read_end_ = ends[0];
  write_end.store(ends[1]);
  struct sigaction action{};
  action.sa_sigaction = remember_report;
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR2, &action, nullptr);
}

ReportRequest::~ReportRequest() {
  on_request_now(nullptr);
  ::signal(SIGUSR2, SIG_IGN);  // another rank may still send it
  ::close(write_end.exchange(-1));
  ::close(read_end_);
}

bool ReportRequest::take() {
  if (report_requested == 0) return false;
  report_requested = 0;
  return true;
}

void ReportRequest::on_request_now(std::function<void()> report) {
  if (listener_.joinable()) {
    send(kEnd);
    listener_.join();
  }
  if (report) listener_ = std::thread([this, report = std::move(report)] { listen(report); });
}

void ReportRequest::listen(const std::function<void()>& report) const {
  for (char what = 0; what != kEnd;) {
    const ssize_t count = ::read(read_end_, &what, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count != 1) return;
    if (what == kReport) report();
  }
}

void request_report_now(pid_t rank) {
  (void)::sigqueue(rank, SIGUSR2, {.sival_int = kPeerRequest});
}

}  // namespace ebb::train

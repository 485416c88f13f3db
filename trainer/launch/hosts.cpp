// SPDX-License-Identifier: Apache-2.0
#include "launch/hosts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <memory>
#include <sstream>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/printable.h"

namespace ebb::launch {
namespace {

using Clock = std::chrono::steady_clock;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// Returns 0, or the errno of the failure.
int connect_within(const addrinfo& address, int milliseconds) {
  const Socket socket(::socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) return errno;
  if (::connect(socket.fd(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{socket.fd(), POLLOUT, 0};
  if (::poll(&waiting, 1, milliseconds) <= 0) return ETIMEDOUT;
  int failure = 0;
  socklen_t size = sizeof failure;
  if (::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) return errno;
  return failure;
}

// Returns why the host does not answer; empty if it answers.
std::string connection_failure(const std::string& host, int port) {
  constexpr int kTryMilliseconds = 2000;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0)
    return ::gai_strerror(code);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  int failure = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    failure = connect_within(*address, kTryMilliseconds);
    if (failure == 0) return {};
  }
  return std::strerror(failure);
}

// Why mpirun does not take a line; empty if it does.
std::string line_problem(const std::string& host) {
  const std::size_t colon = host.find(':');
  if (colon != std::string::npos && host.find(':', colon + 1) == std::string::npos)
    return fmt::format("{} is not a host name: write `{} slots={}`", host, host.substr(0, colon),
                       host.substr(colon + 1));
  return host_problem(host);
}

// `word`: "slots=N".
std::string slots_problem(std::string_view word) {
  int slots = 0;
  const std::string_view text = word.substr(word.find('=') + 1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), slots);
  if (error == std::errc{} && end == text.data() + text.size() && slots > 0) return {};
  return fmt::format("`{}` is not a number of ranks from 1 on", word);
}

}  // namespace

std::string host_problem(const std::string& host) {
  constexpr std::size_t kLongest = 56;  // mpirun 4.1 overwrites its stack with one more
  if (const std::string problem = unprintable_problem(host); !problem.empty())
    return fmt::format("the host name {} {}", host, problem);
  const std::size_t length = std::min(host.find('.'), host.size());
  if (length > kLongest)
    return fmt::format("the host name {} has {} bytes before its first dot, and mpirun crashes above {}",
                       host, length, kLongest);
  return {};
}

std::vector<std::string> read_hostfile(const std::filesystem::path& path) {
  std::istringstream lines(read_file(path, ExitCode::usage));
  std::vector<std::string> hosts;
  std::unordered_set<std::string> seen, with_slots;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line.substr(0, line.find('#')));
    std::string host;
    if (!(words >> host)) continue;
    std::string problem = line.ends_with('\r')
                              ? "the line ends as on Windows: remove the CR, such as by dos2unix"
                              : line_problem(host);
    for (std::string word; problem.empty() && words >> word;) {
      if (!word.starts_with("slots=")) continue;
      problem = slots_problem(word);
      if (!with_slots.insert(host).second)
        problem = fmt::format("the slots of {} are given twice: write it on one line", host);
    }
    if (!problem.empty())
      throw Error(ExitCode::usage, fmt::format("{}:{}: {}", path.string(), number, problem));
    if (seen.insert(host).second) hosts.push_back(host);
  }
  if (hosts.empty())
    throw Error(
        ExitCode::usage,
        fmt::format("{} names no host: each line is a host name and an optional slots=N", path.string()));
  return hosts;
}

std::string pod_advice(const std::string& host) {
  std::vector<std::string> parts;
  std::istringstream name(host);
  for (std::string part; std::getline(name, part, '.');) parts.push_back(part);
  if (parts.size() < 4 || parts[3] != "svc") return {};
  return fmt::format(
      "\n  why: kubectl -n {1} describe pod {0}"
      "\n  to recreate a Failed (evicted) pod: kubectl -n {1} delete pod {0}"
      "\n  if its node is gone: kubectl -n {1} delete pod {0} --force --grace-period=0",
      parts[0], parts[2]);
}

void wait_for_hosts(const std::vector<std::string>& hosts, int port, double seconds,
                    const std::function<void(const std::string&)>& say,
                    const std::function<bool(double)>& stop_within) {
  constexpr double kBetween_s = 0.5;
  constexpr auto kReportEvery = std::chrono::seconds(15);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  auto next_report = Clock::now() + kReportEvery;
  struct Missing {
    std::string host, why;
  };
  std::vector<Missing> missing;
  for (const std::string& host : hosts) missing.push_back({host, "not tried yet"});
  for (;;) {
    std::erase_if(missing, [&](Missing& one) {
      // An attempt lasts up to 2 s, so the time may end before all hosts are retried.
      if (Clock::now() < end) one.why = connection_failure(one.host, port);
      return one.why.empty();
    });
    std::vector<std::string> reasons;
    for (const Missing& one : missing) reasons.push_back(fmt::format("{} ({})", one.host, one.why));
    if (missing.empty()) return;
    if (Clock::now() >= end) {
      std::string advice;
      for (const Missing& one : missing) advice += pod_advice(one.host);
      throw Error(
          ExitCode::communication,
          fmt::format("{} of {} hosts did not answer on port {} within {:g} s: {}. Check that they are "
                      "started and run sshd.{}",
                      missing.size(), hosts.size(), port, seconds, fmt::join(reasons, ", "), advice));
    }
    if (Clock::now() >= next_report) {
      say(fmt::format("waiting for {} of {} hosts: {}", missing.size(), hosts.size(),
                      fmt::join(reasons, ", ")));
      next_report += kReportEvery;
    }
    if (stop_within(kBetween_s))
      throw Error(ExitCode::stopped,
                  fmt::format("stopped while waiting for {} of {} hosts: no rank was started", missing.size(),
                              hosts.size()));
  }
}

}  // namespace ebb::launch

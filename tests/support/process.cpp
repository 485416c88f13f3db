// SPDX-License-Identifier: Apache-2.0
#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "base/child_process.h"

namespace ebb::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Pipe {
  int read = -1, write = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  return {ends[0], ends[1]};
}

void close_once(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

// False at the end of the stream.
bool read_some(int fd, std::string& into) {
  std::array<char, 16384> block{};
  const ssize_t n = ::read(fd, block.data(), block.size());
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  into.append(block.data(), static_cast<std::size_t>(n));
  return n > 0;
}

int shell_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) {
    throw std::runtime_error(std::string(name) + " is not set: start the test through ctest");
  }
  return value;
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, ProcessOptions options)
    : options_(std::move(options)), deadline_(Clock::now() + options_.limit) {
  const ExecArguments arguments(argv, {options_.environment.begin(), options_.environment.end()},
                                options_.unset);
  Pipe in = make_pipe(), out = make_pipe(), err = make_pipe(), failure = make_pipe();
  pid_ = fork_group_leader(SIGKILL);
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::dup2(in.read, 0);
    ::dup2(out.write, 1);
    ::dup2(err.write, 2);
    if (options_.folder.empty() || ::chdir(options_.folder.c_str()) == 0) {
      ::execvpe(arguments.argv()[0], arguments.argv(), arguments.environment());
    }
    const int error = errno;
    [[maybe_unused]] const ssize_t n = ::write(failure.write, &error, sizeof error);
    ::_exit(127);
  }
  for (int* fd : {&in.read, &out.write, &err.write, &failure.write}) close_once(*fd);
  in_ = in.write;
  out_ = out.read;
  err_ = err.read;
  ::fcntl(in_, F_SETFL, O_NONBLOCK);
  int error = 0;
  const bool failed = ::read(failure.read, &error, sizeof error) == sizeof error;
  ::close(failure.read);
  if (failed) {
    ::waitpid(pid_, nullptr, 0);
    for (int* fd : {&in_, &out_, &err_}) close_once(*fd);
    throw std::system_error(error, std::generic_category(), "cannot start " + argv.at(0));
  }
}

Process::~Process() {
  if (!ended_) {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (int* fd : {&in_, &out_, &err_}) close_once(*fd);
}

void Process::signal(int number) {
  if (!ended_) ::kill(pid_, number);
}

void Process::signal_group(int number) {
  if (!ended_) ::kill(-pid_, number);
}

// Reads and writes once. False if both outputs have ended or the time limit has passed.
bool Process::pump(std::optional<milliseconds> at_most) {
  if (in_ >= 0 && input_sent_ == options_.input.size()) close_once(in_);
  if (out_ < 0 && err_ < 0) return false;
  const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - Clock::now());
  if (left.count() <= 0) return false;
  std::array<pollfd, 3> fds{{{out_, POLLIN, 0}, {err_, POLLIN, 0}, {in_, POLLOUT, 0}}};
  const milliseconds wait = at_most ? std::min(*at_most, left) : left;
  if (::poll(fds.data(), fds.size(), static_cast<int>(wait.count())) < 0) return errno == EINTR;
  if (fds[0].revents != 0 && !read_some(out_, result_.out)) close_once(out_);
  if (fds[1].revents != 0 && !read_some(err_, result_.err)) close_once(err_);
  if (fds[2].revents != 0) {
    // The program may close its input early; SIGPIPE would end the test.
    struct sigaction ignore{}, before{};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before);
    const ssize_t n = ::write(in_, options_.input.data() + input_sent_, options_.input.size() - input_sent_);
    ::sigaction(SIGPIPE, &before, nullptr);
    if (n >= 0) input_sent_ += static_cast<std::size_t>(n);
    if (n < 0 && errno != EAGAIN && errno != EINTR) close_once(in_);
  }
  return true;
}

bool Process::wait_for_output(const std::string& text, std::optional<milliseconds> at_most) {
  const auto end = std::chrono::steady_clock::now() + at_most.value_or(milliseconds(0));
  const auto seen = [&] {
    return result_.out.find(text) != std::string::npos || result_.err.find(text) != std::string::npos;
  };
  while (!seen()) {
    std::optional<milliseconds> left;
    if (at_most) left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    if ((left && left->count() <= 0) || !pump(left)) return seen();
  }
  return true;
}

// After a rank called MPI_Abort, mpirun itself sometimes crashes: 4.1 in PMIx_server_finalize, 5.0 with 139
// (SIGSEGV). It has printed the rank's code before, each in its own words.
int code_after_abort(const ProcessResult& result) {
  const auto has = [&](std::string_view text) { return result.err.find(text) != std::string::npos; };
  const bool crashed_in_5 = result.exit_code == 128 + SIGSEGV && has("MPI_ABORT was invoked");
  if (!crashed_in_5 && !has("PMIx_server_finalize")) return result.exit_code;
  for (const std::string_view before : {"\n  Errorcode: ", "with errorcode "})
    if (const std::size_t at = result.err.find(before); at != std::string::npos)
      return std::atoi(result.err.c_str() + at + before.size());
  return result.exit_code;
}

// The outputs may end before the program does. They may also end long after it, if a child of it
// has them open.
void Process::reap() {
  int status = 0;
  for (;;) {
    const pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == pid_) break;
    if (Clock::now() >= deadline_) {
      result_.timed_out = true;
      ::kill(-pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      break;
    }
    if (!pump(milliseconds(20))) ::poll(nullptr, 0, 5);
  }
  ended_ = true;
  result_.exit_code = shell_code(status);
  deadline_ = Clock::now() + milliseconds(500);  // to read the rest of the pipes
  while (pump(milliseconds(100))) {
  }
  result_.exit_code = code_after_abort(result_);
}

const ProcessResult& Process::wait() {
  if (!ended_) reap();
  return result_;
}

std::vector<pid_t> children(pid_t parent) {
  std::ifstream in("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  return {std::istream_iterator<pid_t>(in), {}};
}

ProcessResult run(const std::vector<std::string>& argv, const ProcessOptions& options) {
  return Process(argv, options).wait();
}

ProcessResult run_shell(const std::string& line, const ProcessOptions& options) {
  return run({"/bin/sh", "-c", line}, options);
}

std::string ebb_binary() {
  return from_environment("EBB_BINARY");
}
std::string source_dir() {
  return from_environment("EBB_SOURCE_DIR");
}

std::vector<std::string> mpirun(int ranks, const std::vector<std::string>& argv) {
  std::vector<std::string> line = {"mpirun", "--oversubscribe",    "--bind-to", "none",
                                   "-np",    std::to_string(ranks)};
  line.insert(line.end(), argv.begin(), argv.end());
  return line;
}

bool is_alive(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');  // the name may contain spaces and parentheses
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] != 'Z';
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "ebb-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace ebb::test

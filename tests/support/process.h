// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ebb::test {

// The exit of a program and all of its output.
struct ProcessResult {
  // As in a shell: 128 + N if signal N ended it. If mpirun crashed after it printed the code that a rank
  // passed to MPI_Abort, that code.
  int exit_code = -1;
  bool timed_out = false;  // the time limit passed and its process group was killed
  std::string out, err;
};

struct ProcessOptions {
  std::map<std::string, std::string> environment{};  // added to this process's environment
  std::vector<std::string> unset{};                  // variables removed from it
  std::string folder{};                              // working directory; empty: the current one
  std::string input{};                               // all of its standard input
  std::chrono::milliseconds limit{180'000};          // time limit, from the start
};

// A running program in a process group of its own. The object collects both of its outputs while
// it waits. The destructor kills the group, so no process outlives the object. One thread at a
// time.
//
//   Process run({ebb_binary(), "train", config}, options);
//   ASSERT_TRUE(run.wait_for_output("step 3"));
//   run.signal(SIGTERM);
//   EXPECT_EQ(run.wait().exit_code, 75);
class Process {
 public:
  // Searches PATH for argv[0] unless it contains a slash. std::runtime_error if it cannot be
  // started.
  explicit Process(const std::vector<std::string>& argv, ProcessOptions options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Sends a signal to the program. No effect after its end.
  void signal(int number);
  // Sends a signal to the whole process group, as Ctrl-C in a terminal does. No effect after its
  // end.
  void signal_group(int number);
  // Waits until either output contains `text`, at most for `at_most`. False if the program, its
  // time limit or `at_most` ended first.
  [[nodiscard]] bool wait_for_output(const std::string& text,
                                     std::optional<std::chrono::milliseconds> at_most = std::nullopt);
  // Waits for the end or the time limit, whichever comes first. Later calls return the same result.
  const ProcessResult& wait();
  // The output up to now.
  [[nodiscard]] const std::string& out() const { return result_.out; }
  [[nodiscard]] const std::string& err() const { return result_.err; }

 private:
  bool pump(std::optional<std::chrono::milliseconds> at_most);
  void reap();

  ProcessOptions options_;
  std::chrono::steady_clock::time_point deadline_;
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1, in_ = -1;
  std::size_t input_sent_ = 0;
  bool ended_ = false;
  ProcessResult result_;
};

// The processes that `parent` has started and not yet reaped, in the order of their start.
std::vector<pid_t> children(pid_t parent);

// Starts the program and waits for its end.
ProcessResult run(const std::vector<std::string>& argv, const ProcessOptions& options = {});
// Runs `sh -c LINE`, for command lines of the documentation.
ProcessResult run_shell(const std::string& line, const ProcessOptions& options = {});

// Path of the `ebb` that was built with the test ($EBB_BINARY).
std::string ebb_binary();
// Path of the source tree ($EBB_SOURCE_DIR).
std::string source_dir();

// The command line of mpirun -np RANKS ARGV, with the options that a test needs on any machine.
std::vector<std::string> mpirun(int ranks, const std::vector<std::string>& argv);

// True while a process with this number exists and is no zombie.
bool is_alive(pid_t pid);

// A temporary folder. The destructor removes it with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace ebb::test

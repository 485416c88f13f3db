#pragma once
#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ebb::test {

// How a program ended and all that it wrote.
struct ProcessResult {
  int exit_code = -1;      // as a shell has it: 128 + N for one that was ended by signal N
  bool timed_out = false;  // the time limit passed and its process group was killed
  std::string out, err;
};

struct ProcessOptions {
  std::map<std::string, std::string> environment{};  // added to this process's own
  std::vector<std::string> unset{};                  // taken out of it
  std::string folder{};                              // where it starts; empty: here
  std::string input{};                               // its standard input, which then ends
  std::chrono::milliseconds limit{60'000};           // counted from the start
};

// A program under way, in a process group of its own; both its outputs are collected while this object waits.
// Nothing of it outlives the object: the destructor kills the group. One thread at a time.
//
//   Process run({ebb_binary(), "train", config}, options);
//   ASSERT_TRUE(run.wait_for_output("step 3"));
//   run.signal(SIGTERM);
//   EXPECT_EQ(run.wait().exit_code, 75);
class Process {
 public:
  // argv[0] is looked for on PATH unless it holds a slash. std::runtime_error when it cannot be started.
  explicit Process(const std::vector<std::string>& argv, ProcessOptions options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // To the program alone, and to its whole group as a terminal's Ctrl-C would. Nothing once it has ended.
  void signal(int number);
  void signal_group(int number);
  // True as soon as either output holds `text`; false when the program or the time limit ended before.
  // With `at_most` it waits for no longer than that.
  [[nodiscard]] bool wait_for_output(const std::string& text,
                                     std::optional<std::chrono::milliseconds> at_most = std::nullopt);
  // Waits for the end or the time limit, whichever is first. The same result when called again.
  const ProcessResult& wait();
  // What it has written up to now.
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

// Starts it and waits.
ProcessResult run(const std::vector<std::string>& argv, const ProcessOptions& options = {});
// The same through `sh -c LINE`, for lines that a person is told to type.
ProcessResult run_shell(const std::string& line, const ProcessOptions& options = {});

// The `ebb` that was built with the test, and the source tree ($EBB_BINARY and $EBB_SOURCE_DIR).
std::string ebb_binary();
std::string source_dir();

// mpirun -np RANKS with what a test on any machine needs, then `argv`.
std::vector<std::string> mpirun(int ranks, const std::vector<std::string>& argv);

// True while a process of that number exists and is no zombie.
bool is_alive(pid_t pid);

// A folder of the test's own, removed with all that is in it.
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

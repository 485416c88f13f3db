// SPDX-License-Identifier: Apache-2.0
// Small faults of a machine at random moments of the real program, one in each run: nothing is lost, nothing
// is silent. EBB_FAULT_SECONDS sets how long; each kind comes at least once. EBB_FAULT_SEED repeats a seed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "faults/disk_faults.h"
#include "faults/network_faults.h"
#include "faults/signal_faults.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

constexpr int kMostFailures = 5;  // then the test gives up
constexpr int kTries = 4;         // for a fault that must come before the run ends

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::vector<FaultKind> all_kinds() {
  std::vector<FaultKind> kinds;
  for (const auto& some : {disk_faults(), network_faults(), signal_faults()})
    kinds.insert(kinds.end(), some.begin(), some.end());
  return kinds;
}

// Ends of this process's descendants, however they became its children.
void expect_no_process_left() {
  for (const auto end = Clock::now() + std::chrono::seconds(10); Clock::now() < end;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (children(::getpid()).empty()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (const pid_t left : children(::getpid())) {
    ADD_FAILURE() << "process " << left << " is left over";
    ::kill(left, SIGKILL);
    ::waitpid(left, nullptr, 0);
  }
}

// The names in a run folder. Not those of complete checkpoints, since a stop saves one more; of temporary
// files, which a later start removes; and of reports on request.
std::set<std::string> files_of(const std::string& run_folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(run_folder)) {
    const std::string name = fs::relative(entry.path(), run_folder);
    const bool complete = name.starts_with("checkpoints/step-") && name.find(".partial") == std::string::npos;
    const bool report = name.ends_with(".report.txt") || name.ends_with(".pickle");
    if (!complete && !report && name.find(".tmp.") == std::string::npos) names.insert(name);
  }
  return names;
}

struct Count {
  long rounds = 0, met = 0;
  std::map<int, long> codes;
};

class SmallFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // so that nothing that a run leaves is overlooked
    ::signal(SIGHUP, SIG_DFL);           // the test may run under nohup
    const ProcessResult result = run(tiny_.launch("undisturbed", FaultRound::kSettings));
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const std::string folder = tiny_.run_folder("undisturbed");
    tensors_ = checkpoint_tensors(folder);
    losses_ = losses(folder);
    files_ = files_of(folder);
    ASSERT_EQ(losses_.size(), std::size_t{FaultRound::kSteps});
  }
  // Returns whether the fault came before the run had ended.
  bool play(const FaultKind& kind) {
    FaultRound round(tiny_, seed_, ++rounds_);
    const auto about = [&] {
      return fmt::format("round {} of seed {}: {}: {}", rounds_, seed_, kind.name, round.about());
    };
    try {
      const auto start = Clock::now();
      const FaultEnd end = kind.run(round);
      const std::chrono::duration<double> took = Clock::now() - start;
      const int code = end.result.exit_code;
      fmt::print("{}: {}code {} after {:.1f} s\n", about(), end.met ? "" : "too late, ", code, took.count());
      std::fflush(stdout);
      Count& count = counts_[kind.name];
      ++count.rounds;
      count.met += end.met ? 1 : 0;
      ++count.codes[code];
      SCOPED_TRACE(about());
      expect_documented(round, end);
      expect_no_process_left();
      if (code != 0) {
        const ProcessResult resumed = round.start()->wait();
        EXPECT_EQ(resumed.exit_code, 0) << "resumed: " << resumed.out << resumed.err;
      }
      expect_nothing_lost(round);
      return end.met;
    } catch (const std::exception& error) {
      ADD_FAILURE() << about() << ": " << error.what();
      return false;
    }
  }
  static void expect_documented(const FaultRound& round, const FaultEnd& end) {
    const ProcessResult& result = end.result;
    EXPECT_FALSE(result.timed_out);
    EXPECT_THAT(end.codes, Contains(result.exit_code)) << result.out << result.err;
    if (result.exit_code == 75) {
      EXPECT_THAT(result.out + result.err,
                  AnyOf(HasSubstr("checkpoint saved"), HasSubstr("stopped before training began")));
    } else if (result.exit_code != 0) {
      EXPECT_THAT(result.err, ContainsRegex(end.reason)) << result.out;
    }
    if (fs::exists(round.run_folder() + "/results.json")) {
      EXPECT_TRUE(
          fs::exists(fmt::format("{}/checkpoints/step-{:08}/DONE", round.run_folder(), FaultRound::kSteps)))
          << "a run that did not finish has results";
    } else {
      EXPECT_NE(result.exit_code, 0) << "a run without results ended well";
    }
  }
  void expect_nothing_lost(const FaultRound& round) const {
    const std::string folder = round.run_folder();
    EXPECT_TRUE(fs::exists(folder + "/results.json"));
    EXPECT_EQ(losses(folder), losses_);
    EXPECT_TRUE(checkpoint_tensors(folder) == tensors_) << "other parameters or moments";
    for (const int rank : {0, 1}) EXPECT_FALSE(memory_lines(folder, rank).empty());
    EXPECT_EQ(files_of(folder), files_) << "files are missing or left over";
  }
  void print_counts() const {
    for (const auto& [name, count] : counts_) {
      std::string codes;
      for (const auto& [code, times] : count.codes) codes += fmt::format(", {} of code {}", times, code);
      fmt::print("{}: {} rounds, {} in time{}\n", name, count.rounds, count.met, codes);
    }
  }

  const TinyRun tiny_;
  const std::uint64_t seed_ = number_of("EBB_FAULT_SEED", std::random_device()());
  std::map<std::string, std::string> tensors_;
  std::map<int, double> losses_;
  std::set<std::string> files_;
  long rounds_ = 0;
  std::map<std::string, Count> counts_;
};

TEST_F(SmallFaults, LoseNothingAndAreNeverSilent) {
  std::vector<FaultKind> kinds = all_kinds();
  std::erase_if(kinds, [](const FaultKind& kind) { return !kind.missing.empty(); });
  const auto end = Clock::now() + std::chrono::seconds(number_of("EBB_FAULT_SECONDS", 0));
  std::mt19937_64 random(seed_);
  const auto gives_up = [] {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    return info->result()->total_part_count() >= kMostFailures;
  };
  for (bool first = true; first || Clock::now() < end; first = false) {
    std::shuffle(kinds.begin(), kinds.end(), random);
    for (const FaultKind& kind : kinds) {
      if (gives_up() || (!first && Clock::now() >= end)) break;
      for (int i = 0; !play(kind) && first && i + 1 < kTries; ++i) {
      }
    }
    if (gives_up()) break;
  }
  print_counts();
  for (const FaultKind& kind : kinds) EXPECT_GE(counts_[kind.name].met, 1) << kind.name;
}

TEST(SmallFaultKinds, AreAllMadeHere) {
  std::string missing;
  for (const FaultKind& kind : all_kinds())
    if (!kind.missing.empty())
      missing += fmt::format("{}{} ({})", missing.empty() ? "" : ", ", kind.name, kind.missing);
  if (!missing.empty()) GTEST_SKIP() << "not made: " << missing;
}

}  // namespace
}  // namespace ebb::test

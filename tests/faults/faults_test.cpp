// SPDX-License-Identifier: Apache-2.0
// Injects faults of a machine into the real program: a killed or stopped rank, refused memory,
// failed writes. EBB_FAULT_ROUNDS sets the number of rounds of each fault (a few by default).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "faults/ranks.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using Clock = std::chrono::steady_clock;

long rounds(long by_default) {
  const char* text = std::getenv("EBB_FAULT_ROUNDS");
  return text == nullptr ? by_default : std::atol(text);
}

class Faults : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun;
    undisturbed_ = tiny_->train(2, "undisturbed", kKeep);
    if (undisturbed_.exit_code != 0) return;
    std::vector<double> times;
    for (const auto& line : json_lines(tiny_->run_folder("undisturbed") + "/metrics.jsonl"))
      if (line.contains("time_s")) times.push_back(line["time_s"]);
    seconds_ = times.back() - times.front();
  }
  static void TearDownTestSuite() { delete tiny_; }
  void SetUp() override { ASSERT_EQ(undisturbed_.exit_code, 0) << undisturbed_.err; }

  static std::vector<std::string> launch(const std::string& name, std::vector<std::string> more = {}) {
    more.insert(more.begin(), kKeep.begin(), kKeep.end());
    return tiny_->launch(name, more);
  }
  static std::vector<pid_t> ranks_of(const Process& launched) { return ranks_below(launched.pid()); }
  static void expect_gone(const std::vector<pid_t>& ranks) {
    for (const pid_t rank : ranks) EXPECT_FALSE(is_alive(rank)) << rank;
  }
  // Resumes the run to its end, and compares its result with that of the undisturbed run.
  static void expect_resumes(const std::string& name) {
    const ProcessResult resumed = tiny_->train(2, name, kKeep);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
    EXPECT_EQ(checkpoint_tensors(tiny_->run_folder(name)),
              checkpoint_tensors(tiny_->run_folder("undisturbed")));
    EXPECT_EQ(losses(tiny_->run_folder(name)), losses(tiny_->run_folder("undisturbed")));
  }
  // Runs two ranks with the shim in one of them.
  static ProcessResult run_with_fault(const std::string& name,
                                      const std::map<std::string, std::string>& fault,
                                      std::vector<std::string> more = {}) {
    ProcessOptions options;
    options.environment = fault;
    options.environment["LD_PRELOAD"] = std::getenv("EBB_FAULT_SHIM");
    more.insert(more.begin(), kKeep.begin(), kKeep.end());
    return run(tiny_->command(2, name, std::move(more)), options);
  }
  // Counts the blocks, and the calls that write a checkpoint, in such a run.
  static std::pair<long, long> count(int rank, const std::vector<std::string>& more) {
    const std::string path = tiny_->folder() / "count";
    fs::remove(path);
    fs::remove_all(tiny_->run_folder("counted"));
    const ProcessResult result = run_with_fault(
        "counted", {{"EBB_FAULT_RANK", std::to_string(rank)}, {"EBB_FAULT_COUNT", path}}, more);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::pair<long, long> counted{0, 0};
    std::ifstream(path) >> counted.first >> counted.second;
    return counted;
  }

  // Long enough that a random moment lies in a step or a save.
  static inline const std::vector<std::string> kKeep = {"run.steps=400", "checkpoint.every=20",
                                                        "checkpoint.keep=10"};
  static TinyRun* tiny_;
  static ProcessResult undisturbed_;
  static double seconds_;  // training time of the undisturbed run
};
TinyRun* Faults::tiny_ = nullptr;
ProcessResult Faults::undisturbed_;
double Faults::seconds_ = 0;

TEST_F(Faults, ARunKilledAtAnyMomentResumesToTheSameBits) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> moment(0, seconds_);
  long in_training = 0, reported = 0;
  for (long round = 0; round < rounds(6); ++round) {
    const bool all = round % 3 == 2;
    const double wait_s = moment(random);
    const std::string name = "killed-" + std::to_string(round);
    SCOPED_TRACE(name + (all ? ": all ranks" : ": one rank") + " after " + std::to_string(wait_s) +
                 " s of training");
    Process launched(launch(name));
    ASSERT_TRUE(launched.wait_for_output("global batch")) << launched.out() << launched.err();
    std::this_thread::sleep_for(std::chrono::duration<double>(wait_s));
    const auto ranks = ranks_of(launched);
    const auto one = static_cast<std::size_t>(round) % std::max<std::size_t>(ranks.size(), 1);
    for (std::size_t i = 0; i < ranks.size(); ++i)
      if (all || i == one) ::kill(ranks[i], SIGKILL);
    const ProcessResult result = launched.wait();
    EXPECT_FALSE(result.timed_out);
    // 0 if the run ended before the signal.
    const bool finished = fs::exists(tiny_->run_folder(name) + "/results.json");
    EXPECT_THAT(result.exit_code, AnyOf(5, finished ? 0 : 5)) << result.out << result.err;
    if (result.exit_code == 5) {
      ++in_training;
      EXPECT_THAT(result.err, HasSubstr("killed"));
      EXPECT_THAT(result.err, HasSubstr("process rank "));  // mpirun names the rank, its process and its host
    }
    // The other rank reports what it waited for, unless mpirun ends it first.
    if (result.err.find("is gone; its last operation was ") != std::string::npos) {
      ++reported;
      for (const char* text :
           {"cannot complete on rank ", "(number ", " bytes)", ", process ", "from stage "})
        EXPECT_THAT(result.err, HasSubstr(text));
    }
    expect_gone(ranks);
    expect_resumes(name);
  }
  EXPECT_GE(in_training, rounds(6) / 2);
  EXPECT_GE(reported, 1);
}

TEST_F(Faults, AStoppedRankIsReportedWithinTheTimeout) {
  Process launched(launch("stopped", {"run.steps=100000", "parallel.timeout=3s"}));
  ASSERT_TRUE(launched.wait_for_output("step 2")) << launched.out() << launched.err();
  const auto ranks = ranks_of(launched);
  ASSERT_EQ(ranks.size(), 2U);
  const auto start = Clock::now();
  ::kill(ranks[1], SIGSTOP);
  const ProcessResult result = launched.wait();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(30));
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  for (const char* text : {"rank 1 (", "(number ", " bytes)", "limit of 3 s", "stage "})
    EXPECT_THAT(result.err, HasSubstr(text));
  // The rank stopped before this collective or in it.
  EXPECT_THAT(result.err, AnyOf(HasSubstr("has not started it; its last operation was"),
                                HasSubstr("started it from stage ")));
  EXPECT_EQ(result.err.find("gave up"), std::string::npos) << "reported twice: " << result.err;
  expect_gone(ranks);
}

TEST_F(Faults, ASlowRankIsReportedOnTheScreenAndInTheMetrics) {
  EXPECT_EQ(undisturbed_.out.find("is slow"), std::string::npos) << undisturbed_.out;
  ProcessOptions options;
  options.limit = std::chrono::seconds(120);
  Process launched(launch("slow", {"run.steps=1000000", "checkpoint.every=0", "memory.log_every=1000"}),
                   options);
  ASSERT_TRUE(launched.wait_for_output("step 2")) << launched.out() << launched.err();
  const auto ranks = ranks_of(launched);
  ASSERT_EQ(ranks.size(), 2U);
  ASSERT_EQ(launched.out().find("is slow"), std::string::npos) << "reported before it was slow";
  // Stop and continue rank 1 many times, like another program on its cores. Each of its steps then
  // takes some tenths of a second, a hundred times as long as a step of rank 0.
  bool reported = false;
  for (int stops = 0; stops < 1000 && !reported; ++stops) {
    ::kill(ranks[1], SIGSTOP);
    reported = launched.wait_for_output("is slow", std::chrono::milliseconds(50));
    ::kill(ranks[1], SIGCONT);
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  EXPECT_TRUE(reported);
  launched.signal(SIGTERM);
  const ProcessResult result = launched.wait();
  EXPECT_EQ(result.exit_code, 75) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("rank 1 ("));
  long slow_steps = 0;
  for (const auto& line : json_lines(tiny_->run_folder("slow") + "/metrics.jsonl")) {
    if (!line.contains("straggler") || line["straggler"]["delay_s"] < 0.02) continue;
    ++slow_steps;
    EXPECT_EQ(line["straggler"]["rank"], 1);
    const std::string stage = line["straggler"]["stage"];
    EXPECT_GT(line["ranks"][stage][1], line["ranks"][stage][0]);
  }
  EXPECT_GE(slow_steps, 5);
}

TEST_F(Faults, RefusedMemoryEndsAllRanksWithAReport) {
  // Large enough that some blocks come from the block cache, which calls mmap.
  const std::vector<std::string> eight = {"run.steps=8", "checkpoint.every=2", "data.batch=512",
                                          "model.width=32"};
  std::set<std::string> stages;
  for (const int rank : {0, 1}) {
    const long blocks = count(rank, eight).first;
    ASSERT_GT(blocks, 100);
    const long tries = std::min(blocks, rounds(8));
    for (long i = 0; i < tries; ++i) {
      const long at = 1 + (2 * i + 1) * (blocks - 1) / (2 * tries);
      SCOPED_TRACE("rank " + std::to_string(rank) + ", block " + std::to_string(at) + " of " +
                   std::to_string(blocks));
      fs::remove_all(tiny_->run_folder("refused"));
      const ProcessResult result = run_with_fault(
          "refused", {{"EBB_FAULT_RANK", std::to_string(rank)}, {"EBB_FAULT_BLOCK", std::to_string(at)}},
          eight);
      EXPECT_EQ(result.exit_code, 4) << result.out << result.err;
      EXPECT_FALSE(result.timed_out);
      for (const char* text : {"rank ", "in stage ", "requested by ", "are live"})
        EXPECT_THAT(result.err, HasSubstr(text));
      // Before the run begins there is no folder for a report.
      if (result.err.find("in stage setup") == std::string::npos) {
        EXPECT_THAT(result.err, HasSubstr("report: "));
        const auto has_report = [&](int of) {
          return fs::exists(tiny_->run_folder("refused") + "/memory/rank-0000" + std::to_string(of) +
                            ".report.txt");
        };
        EXPECT_TRUE(has_report(rank));
        // At the end, only rank 0 draws samples. The other one may be done.
        if (result.err.find("in stage evaluate") == std::string::npos) {
          EXPECT_TRUE(has_report(1 - rank));
        }
      }
      std::smatch stage;
      if (std::regex_search(result.err, stage, std::regex("in stage ([a-z]+)"))) stages.insert(stage[1]);
    }
  }
  EXPECT_THAT(stages, IsSupersetOf({"forward", "backward"}));
  if (rounds(0) > 8) {
    EXPECT_THAT(stages, IsSupersetOf({"setup", "forward", "backward", "reduce", "evaluate"}));
  }
}

// A save writes the tensors without a copy, so faults_long finds no block in it. Twice as many
// saves allocate no more blocks.
TEST_F(Faults, ASaveAllocatesNoBlock) {
  const auto blocks = [](int steps, int saves) {
    return count(0, {"run.steps=" + std::to_string(steps),
                     "checkpoint.every=" + std::to_string(steps / saves), "data.batch=512", "model.width=32"})
        .first;
  };
  const long four_saves = blocks(8, 4), eight_saves = blocks(8, 8);
  EXPECT_GT(four_saves, 100);
  EXPECT_EQ(four_saves, eight_saves);
}

// A signal from outside cannot hit an exact point. The shim kills the rank at single blocks (in
// setup, forward, backward and reduce) and at each write of a save.
TEST_F(Faults, ARunKilledAtABlockOrAWriteResumesToTheSameBits) {
  const std::vector<std::string> six = {"run.steps=6", "checkpoint.every=2"};
  ASSERT_EQ(tiny_->train(2, "six", six).exit_code, 0);
  const auto expected = checkpoint_tensors(tiny_->run_folder("six"));
  for (const int rank : {0, 1}) {
    fs::remove_all(tiny_->run_folder("counted"));
    const auto [blocks, calls] = count(rank, six);
    ASSERT_GT(blocks, 100);
    ASSERT_GT(calls, 4);
    for (const auto& [variable, all] : {std::pair{"EBB_FAULT_BLOCK", blocks}, {"EBB_FAULT_WRITE", calls}}) {
      const long tries = std::min(all, rounds(2));
      for (long i = 0; i < tries; ++i) {
        const long at = 1 + (2 * i + 1) * (all - 1) / (2 * tries);
        SCOPED_TRACE("rank " + std::to_string(rank) + ", " + variable + " " + std::to_string(at) + " of " +
                     std::to_string(all));
        fs::remove_all(tiny_->run_folder("killed-at"));
        const ProcessResult result = run_with_fault("killed-at",
                                                    {{"EBB_FAULT_RANK", std::to_string(rank)},
                                                     {variable, std::to_string(at)},
                                                     {"EBB_FAULT_KILL", "1"}},
                                                    six);
        EXPECT_EQ(result.exit_code, 128 + SIGKILL) << result.out << result.err;
        ASSERT_EQ(tiny_->train(2, "killed-at", six).exit_code, 0);
        EXPECT_EQ(checkpoint_tensors(tiny_->run_folder("killed-at")), expected);
      }
    }
  }
}

TEST_F(Faults, AFailedWriteLeavesThePreviousCheckpointIntact) {
  const std::vector<std::string> twelve = {"run.steps=12", "checkpoint.every=12", "checkpoint.resume=force"};
  ASSERT_EQ(tiny_->train(2, "base", {"run.steps=10", "checkpoint.keep=10"}).exit_code, 0);
  fs::remove(tiny_->run_folder("base") + "/results.json");
  const auto before = checkpoint_tensors(tiny_->run_folder("base"));
  const auto copy_base = [&](const std::string& name) {
    fs::remove_all(tiny_->run_folder(name));
    fs::copy(tiny_->run_folder("base"), tiny_->run_folder(name), fs::copy_options::recursive);
  };
  for (const int rank : {0, 1}) {
    fs::remove_all(tiny_->run_folder("counted"));
    const long calls = count(rank, {"run.steps=2", "checkpoint.every=2"}).second;
    ASSERT_GT(calls, 1);
    for (const char* error : {"ENOSPC", "EIO", "SHORT"}) {
      const long tries = std::min(calls, rounds(3));
      for (long i = 0; i < tries; ++i) {
        const long at = 1 + i * (calls - 1) / std::max(1L, tries - 1);
        SCOPED_TRACE("rank " + std::to_string(rank) + ", call " + std::to_string(at) + " of " +
                     std::to_string(calls) + ", " + error);
        copy_base("cut");
        const ProcessResult result = run_with_fault("cut",
                                                    {{"EBB_FAULT_RANK", std::to_string(rank)},
                                                     {"EBB_FAULT_WRITE", std::to_string(at)},
                                                     {"EBB_FAULT_ERROR", error}},
                                                    twelve);
        EXPECT_EQ(result.exit_code, 8) << result.out << result.err;
        EXPECT_THAT(result.err, HasSubstr("checkpoints"));
        // The newest checkpoint is the previous one, or a complete new one.
        const auto after = checkpoint_tensors(tiny_->run_folder("cut"));
        if (!fs::exists(tiny_->run_folder("cut") + "/checkpoints/step-00000012/DONE")) {
          EXPECT_EQ(after, before);
        }
        const ProcessResult again = tiny_->train(
            2, "cut",
            {"run.steps=12", "checkpoint.every=12", "checkpoint.keep=10", "checkpoint.resume=force"});
        EXPECT_EQ(again.exit_code, 0) << again.err;
      }
    }
  }
}

TEST_F(Faults, TwoSignalsEndTheRunAtOnceAndItResumes) {
  Process launched(launch("twice"));
  ASSERT_TRUE(launched.wait_for_output("global batch"));
  const auto ranks = ranks_of(launched);
  ASSERT_EQ(ranks.size(), 2U);
  ::kill(ranks[1], SIGSTOP);  // the step cannot end before the second signal
  launched.signal(SIGINT);
  ASSERT_TRUE(launched.wait_for_output("press Ctrl-C again"));
  launched.signal(SIGINT);
  const ProcessResult result = launched.wait();
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("ended at once on request"));
  expect_gone(ranks);
  expect_resumes("twice");
}

TEST_F(Faults, ASignalDuringASaveLetsItComplete) {
  const std::vector<std::string> often = {"run.steps=400", "checkpoint.every=1", "checkpoint.keep=3"};
  ASSERT_EQ(tiny_->train(2, "often", often).exit_code, 0);
  for (long round = 0; round < rounds(3); ++round) {
    const std::string name = "saving-" + std::to_string(round);
    SCOPED_TRACE(name);
    const fs::path checkpoints = tiny_->run_folder(name) + "/checkpoints";
    Process launched(launch(name, often));
    ASSERT_TRUE(launched.wait_for_output("global batch"));
    const auto saving = [&] {
      std::error_code ignored;
      for (const auto& entry : fs::directory_iterator(checkpoints, ignored))
        if (entry.is_directory(ignored) && !fs::exists(entry.path() / "DONE", ignored)) return true;
      return false;
    };
    const auto limit = Clock::now() + std::chrono::seconds(20);
    while (!saving() && Clock::now() < limit) std::this_thread::sleep_for(std::chrono::microseconds(200));
    ASSERT_LT(Clock::now(), limit) << "no save in progress was seen";
    launched.signal(SIGTERM);
    const ProcessResult result = launched.wait();
    EXPECT_EQ(result.exit_code, 75) << result.out << result.err;
    ASSERT_EQ(tiny_->train(2, name, often).exit_code, 0);
    EXPECT_EQ(checkpoint_tensors(tiny_->run_folder(name)), checkpoint_tensors(tiny_->run_folder("often")));
  }
}

TEST_F(Faults, CtrlCToTheGroupOfMpirunSavesAndTheRunResumes) {
  Process run(tiny_->command(2, "ctrl-c", {"run.steps=3000", "memory.log_every=100"}));
  ASSERT_TRUE(run.wait_for_output("step 1/"));
  run.signal_group(SIGINT);
  const ProcessResult result = run.wait();
  EXPECT_FALSE(result.timed_out);
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.out + result.err, HasSubstr("checkpoint saved"));
  const ProcessResult resumed = tiny_->train(2, "ctrl-c", {"run.steps=3000", "memory.log_every=100"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resumes from step "));
}

}  // namespace
}  // namespace ebb::test

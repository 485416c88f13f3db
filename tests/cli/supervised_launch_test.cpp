// `ebb launch --supervise` on the real program under a real mpirun: what it starts again, what it does not,
// and what it leaves behind for whoever starts it next.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "train/support.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using Clock = std::chrono::steady_clock;

const std::vector<std::string> kForever = {"run.steps=1000000", "telemetry.progress_every=200ms"};

std::vector<pid_t> children(pid_t parent) {
  std::ifstream in("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  return {std::istream_iterator<pid_t>(in), {}};
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Supervised : public ::testing::Test {
 protected:
  std::vector<std::string> launch(const std::string& name, const std::vector<std::string>& overrides,
                                  const std::vector<std::string>& options = {}) const {
    std::vector<std::string> argv = tiny_.launch(name, overrides);
    argv.insert(argv.begin() + 2,
                {"--supervise", "--restart-pause", "100ms", "--termination-message", message_});
    argv.insert(argv.begin() + 2, options.begin(), options.end());
    return argv;
  }
  static std::vector<pid_t> ranks(const Process& launched) {
    std::vector<pid_t> found;
    for (const pid_t mpirun : children(launched.pid()))
      for (const pid_t rank : children(mpirun)) found.push_back(rank);
    return found;
  }
  // Waits until there is a whole checkpoint of this step or a later one; the ranks of the run then.
  std::vector<pid_t> ranks_after_checkpoint(const Process& launched, const std::string& name,
                                            int step) const {
    const fs::path folder = fs::path(tiny_.run_folder(name)) / "checkpoints";
    for (const auto end = Clock::now() + std::chrono::seconds(60); Clock::now() < end;) {
      std::error_code none;
      for (const auto& entry : fs::directory_iterator(folder, none)) {
        const std::string found = entry.path().filename();
        if (fs::exists(entry.path() / "DONE", none) && std::stoi(found.substr(found.find('-') + 1)) >= step)
          return ranks(launched);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "no checkpoint of step " << step << " in " << folder;
    return {};
  }

  TinyRun tiny_;
  const std::string message_ = tiny_.folder() / "termination";
};

TEST_F(Supervised, AKilledRankIsStartedAgainFromTheCheckpointToTheSameBits) {
  const std::vector<std::string> steps = {"run.steps=300", "checkpoint.every=20",
                                          "telemetry.progress_every=200ms"};
  ASSERT_EQ(tiny_.train(2, "undisturbed", steps).exit_code, 0);
  Process launched(launch("killed", steps));
  const std::vector<pid_t> ranks = ranks_after_checkpoint(launched, "killed", 20);
  ASSERT_EQ(ranks.size(), 2U) << launched.out() << launched.err();
  ASSERT_EQ(::kill(ranks[1], SIGKILL), 0);
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("starting again in "), HasSubstr("(1 of 5 without a newer checkpoint)")));
  EXPECT_THAT(result.out, HasSubstr("goes on from step "));
  EXPECT_EQ(losses(tiny_.run_folder("killed")), losses(tiny_.run_folder("undisturbed")));
  EXPECT_EQ(checkpoint_tensors(tiny_.run_folder("killed")),
            checkpoint_tensors(tiny_.run_folder("undisturbed")));
  EXPECT_EQ(text_of(message_), "code 0 (done)\n");
}

TEST_F(Supervised, ALimitOfRestartsWithoutProgressIsKept) {
  auto overrides = kForever;
  overrides.emplace_back("checkpoint.every=0");
  Process launched(launch("lost", overrides, {"--restarts", "1"}));
  for (int times = 0; times < 2; ++times) {
    // A second rank that lives is of the run at hand: those of the one before are gone.
    std::vector<pid_t> now;
    for (const auto end = Clock::now() + std::chrono::seconds(40); now.size() < 2 && Clock::now() < end;) {
      static_cast<void>(launched.wait_for_output("nothing prints this", std::chrono::milliseconds(100)));
      now = ranks(launched);
    }
    ASSERT_EQ(now.size(), 2U) << launched.err();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    ::kill(now[0], SIGKILL);
    if (times == 0) {
      ASSERT_TRUE(launched.wait_for_output("starting again", std::chrono::seconds(40))) << launched.err();
    }
  }
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("not started again: 1 restart in a row brought no newer checkpoint"));
  EXPECT_THAT(text_of(message_), HasSubstr("code 5 (communication), rank "));
  EXPECT_FALSE(fs::exists(tiny_.run_folder("lost") + "/verdict.json")) << "another try may mend it";
}

TEST_F(Supervised, AStopOfOneRankAloneIsNoEnd) {
  Process launched(
      launch("preempted", {"run.steps=400", "checkpoint.every=0", "telemetry.progress_every=200ms"}));
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  const std::vector<pid_t> before = ranks(launched);
  ASSERT_EQ(before.size(), 2U);
  ::kill(before[1], SIGUSR1);  // as a worker's preStop does
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("a rank was asked to stop"));
  EXPECT_THAT(result.out, HasSubstr("goes on from step "));
}

class SupervisedStop : public Supervised, public ::testing::WithParamInterface<int> {};

TEST_P(SupervisedStop, IsHandedToTheRanksAndIsTheEnd) {
  Process launched(launch("stopped", kForever));
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  // A scheduler may ask twice.
  launched.signal(GetParam());
  if (GetParam() != SIGINT) launched.signal(SIGTERM);
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 75) << result.out << result.err;
  EXPECT_THAT(result.out + result.err, HasSubstr("checkpoint saved"));
  EXPECT_THAT(result.err, Not(HasSubstr("starting again")));
  EXPECT_EQ(text_of(message_), "code 75 (stopped, checkpoint saved)\n");
}
INSTANTIATE_TEST_SUITE_P(Signals, SupervisedStop, ::testing::Values(SIGTERM, SIGUSR1, SIGINT));

TEST_F(Supervised, AStopInThePauseEndsAtOnce) {
  std::vector<std::string> argv = launch("paused", kForever, {"--restarts", "3"});
  argv[std::ranges::find(argv, "100ms") - argv.begin()] = "1h";
  Process launched(argv);
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  ::kill(ranks(launched).at(0), SIGKILL);
  ASSERT_TRUE(launched.wait_for_output("starting again in 1h")) << launched.err();
  const auto start = Clock::now();
  launched.signal(SIGTERM);
  EXPECT_EQ(launched.wait().exit_code, 75) << launched.err();
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(10)) << "it waited";
  EXPECT_THAT(launched.err(), HasSubstr("stopped while no rank was running"));
}

TEST_F(Supervised, AFinalFailureIsToldAgainUntilTheAttemptOrTheConfigurationChanges) {
  const std::vector<std::string> damaged = {"data.source=" + (tiny_.folder() / "broken")};
  fs::copy(fs::path(tiny_.folder() / "data"), fs::path(tiny_.folder() / "broken"),
           fs::copy_options::recursive);
  std::ofstream(fs::path(tiny_.folder() / "broken") / "train" / "index.json") << "{";
  const ProcessResult first = run(launch("damaged", damaged, {"--attempt", "7"}));
  ASSERT_EQ(first.exit_code, 3) << first.err;
  EXPECT_THAT(first.err, Not(HasSubstr("starting again")));
  const auto stored = nlohmann::json::parse(text_of(tiny_.run_folder("damaged") + "/verdict.json"));
  EXPECT_EQ(stored.at("code"), 3);
  EXPECT_EQ(stored.at("attempt"), "7");
  EXPECT_EQ(stored.at("rank"), 0);
  EXPECT_NE(stored.at("host"), "");
  EXPECT_THAT(stored.at("message").get<std::string>(), HasSubstr("index.json"));
  EXPECT_THAT(text_of(message_), AllOf(HasSubstr("code 3 (data), rank 0 on "), HasSubstr("index.json")));

  // Mended or not: the same attempt of the same job is not tried, so that mpirun's line is not even printed.
  fs::copy(fs::path(tiny_.folder() / "data"), fs::path(tiny_.folder() / "broken"),
           fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  fs::remove(message_);
  ProcessOptions by_environment;
  by_environment.environment["EBB_ATTEMPT"] = "7";
  const ProcessResult again = run(launch("damaged", damaged), by_environment);
  EXPECT_EQ(again.exit_code, 3) << again.err;
  EXPECT_EQ(again.out, "");
  EXPECT_THAT(again.err, AllOf(HasSubstr("attempt 7 ended on "), HasSubstr("index.json")));
  EXPECT_THAT(text_of(message_), AllOf(HasSubstr("code 3 (data), rank 0 on "), HasSubstr("index.json")));

  auto changed = damaged;
  changed.emplace_back("optimizer.lr=0.02");
  EXPECT_EQ(run(launch("damaged", changed, {"--attempt", "7"})).exit_code, 0) << "another configuration";
  EXPECT_FALSE(fs::exists(tiny_.run_folder("damaged") + "/verdict.json")) << "it has succeeded since";
}

TEST_F(Supervised, AnotherAttemptIsTried) {
  fs::create_directories(tiny_.run_folder("tried"));
  const std::vector<std::string> nowhere = {"data.source=/nowhere/at/all"};
  const int code = run(launch("tried", nowhere)).exit_code;
  ASSERT_TRUE(fs::exists(tiny_.run_folder("tried") + "/verdict.json"));
  const ProcessResult other = run(launch("tried", nowhere, {"--attempt", "2"}));
  EXPECT_EQ(other.exit_code, code);
  EXPECT_THAT(other.out, HasSubstr("mpirun")) << "attempt 2 was not started";
}

std::string program_of(pid_t pid) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
  return name;
}

// Two hosts, of which each is a shell here that stands for ssh and its sshd: Open MPI's own daemons run as
// they do on hosts of a cluster.
class SupervisedHosts : public Supervised {
 protected:
  SupervisedHosts() {
    std::ofstream(tiny_.folder() / "remote-shell") << "#!/bin/sh\nshift\nexec setsid sh -c \"$*\"\n";
    fs::permissions(fs::path(tiny_.folder() / "remote-shell"), fs::perms::owner_all);
    std::ofstream(hosts_) << "host-0 slots=1\nhost-1 slots=1\n";
    options_.environment["OMPI_MCA_plm_rsh_agent"] = tiny_.folder() / "remote-shell";
  }
  [[nodiscard]] std::vector<std::string> on_hosts(const std::string& name,
                                                  const std::vector<std::string>& overrides) const {
    return launch(name, overrides, {"--hostfile", hosts_, "--forward", "OMP_NUM_THREADS"});
  }
  static std::vector<pid_t> daemons(pid_t parent) {
    std::vector<pid_t> found;
    for (const pid_t child : children(parent)) {
      if (program_of(child) == "orted") found.push_back(child);
      for (const pid_t below : daemons(child)) found.push_back(below);
    }
    return found;
  }
  const std::string hosts_ = tiny_.folder() / "hosts";
  ProcessOptions options_;
};

TEST_F(SupervisedHosts, ALostHostIsNamedAndTheRunGoesOn) {
  Process launched(
      on_hosts("lost-host", {"run.steps=400", "checkpoint.every=20", "telemetry.progress_every=200ms"}),
      options_);
  (void)ranks_after_checkpoint(launched, "lost-host", 20);
  const std::vector<pid_t> there = daemons(launched.pid());
  ASSERT_EQ(there.size(), 2U) << launched.out() << launched.err();
  for (const pid_t rank : children(there[1])) ::kill(rank, SIGKILL);
  ::kill(there[1], SIGKILL);  // what a pod's end does, without a word
  const ProcessResult& result = launched.wait();
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.err, ContainsRegex("mpirun ended with code [0-9]+, .*host-[01].* was lost"));
  EXPECT_THAT(result.err, HasSubstr("starting again in "));
  EXPECT_THAT(result.out, HasSubstr("goes on from step "));
}

TEST_F(SupervisedHosts, AStopReachesTheRanksOfOtherHosts) {
  Process launched(on_hosts("stopped-hosts", kForever), options_);
  ASSERT_TRUE(launched.wait_for_output("step ")) << launched.out() << launched.err();
  launched.signal(SIGTERM);
  EXPECT_EQ(launched.wait().exit_code, 75) << launched.out() << launched.err();
  EXPECT_THAT(launched.out(), HasSubstr("checkpoint saved"));
}

TEST_F(SupervisedHosts, AHostThatRefusesIsTriedAgainAndIsNoFaultOfEbb) {
  std::ofstream(tiny_.folder() / "remote-shell") << "#!/bin/sh\nexit 1\n";
  auto argv = on_hosts("refused", kForever);
  argv.insert(argv.begin() + 2, {"--restarts", "1"});
  const ProcessResult result = run(argv, options_);
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  EXPECT_THAT(result.err,
              AllOf(HasSubstr("could not start ranks on every host"), HasSubstr("not started again")));
}

// A control group of our own with so much memory, as a container is one. Empty where we may not make any.
class MemoryGroup {
 public:
  explicit MemoryGroup(std::int64_t bytes) {
    std::ifstream lines("/proc/self/cgroup");
    for (std::string line; std::getline(lines, line);) {
      const bool v1 = line.find(":memory:") != std::string::npos, v2 = line.starts_with("0::");
      if (!v1 && !v2) continue;
      const fs::path group = fs::path(line.substr(line.find(':', line.find(':') + 1) + 1)).relative_path() /
                             ("ebb-test-" + std::to_string(::getpid()));
      const fs::path path = fs::path(v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup") / group;
      std::error_code none;
      if (!fs::create_directory(path, none)) continue;
      path_ = path;
      std::ofstream(path / (v1 ? "memory.limit_in_bytes" : "memory.max")) << bytes;
      if (fs::exists(path / (v1 ? "memory.limit_in_bytes" : "memory.max"))) return;
      leave();
    }
  }
  ~MemoryGroup() { leave(); }
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  void leave() {
    std::error_code none;
    for (int i = 0; i < 100 && !path_.empty() && !fs::remove(path_, none); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    path_.clear();
  }
  fs::path path_;
};

TEST_F(Supervised, AKillForMemoryIsCode4AndFinal) {
  const MemoryGroup group(std::int64_t{600} << 20);
  if (group.path().empty())
    GTEST_SKIP() << "no control group with a memory limit can be made here (root can)";
  std::string line = "echo $$ > " + (group.path() / "cgroup.procs").string() + " && exec";
  // Two ranks of more than the group has, once they hold their moments.
  for (const std::string& word : launch("large", {"model.hidden=400000", "run.steps=5"}))
    line += " '" + word + "'";
  const ProcessResult result = run_shell(line);
  EXPECT_EQ(result.exit_code, 4) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("lack of memory"));
  EXPECT_THAT(result.err, Not(HasSubstr("starting again")));
  EXPECT_THAT(text_of(message_), HasSubstr("code 4 (memory), rank "));
  EXPECT_EQ(nlohmann::json::parse(text_of(tiny_.run_folder("large") + "/verdict.json")).at("code"), 4);
}

// A new launcher appears while the old one is still saving.
TEST_F(Supervised, ASecondLauncherWaitsForTheSaveAndGoesOnFromIt) {
  const std::vector<std::string> steps = {"run.steps=2000", "checkpoint.every=0",
                                          "telemetry.progress_every=200ms"};
  Process first(launch("one-writer", steps));
  ASSERT_TRUE(first.wait_for_output("step ")) << first.out() << first.err();
  Process second(launch("one-writer", steps));
  ASSERT_TRUE(second.wait_for_output("held by process")) << second.out() << second.err();
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().exit_code, 75) << first.err();
  const auto at = first.out().find("stopped after step ");
  ASSERT_NE(at, std::string::npos) << first.out();
  const int step = std::stoi(first.out().substr(at + std::string("stopped after step ").size()));
  EXPECT_TRUE(second.wait_for_output("goes on from step " + std::to_string(step) + " "))
      << second.out() << second.err();
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait().exit_code, 75) << second.err();
}

}  // namespace
}  // namespace ebb::test

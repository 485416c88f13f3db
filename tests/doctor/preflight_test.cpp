// SPDX-License-Identifier: Apache-2.0
// `ebb preflight` on the real program under a real mpirun.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Preflight : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> line(std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {ebb_binary(), "preflight", tiny_.folder() / "tiny.yaml", "run.name=looked-at"});
    return more;
  }
  [[nodiscard]] ProcessResult look(int ranks, const std::vector<std::string>& more = {}) const {
    return run(mpirun(ranks, line(more)));
  }
  TinyRun tiny_;
};

TEST_F(Preflight, ReportsOnTwoRanksAndLeavesNoFiles) {
  const ProcessResult result = look(2, {"--ranks", "2"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  for (const char* name :
       {"folder", "ranks", "versions", "shm", "memory", "gpu", "data", "space", "device", "network", "plan"})
    EXPECT_THAT(result.out, ContainsRegex(std::string("(ok  |warn)  ") + name + " ")) << result.out;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("2 ranks, as expected"), HasSubstr("is one folder, written by all ranks"),
                    HasSubstr("all_reduce of 64.0 MiB over 2 ranks by mpi"), HasSubstr("ready to train")));
  EXPECT_TRUE(fs::is_empty(tiny_.run_folder("looked-at")));
}

TEST_F(Preflight, AnotherNumberOfRanksIsCode5) {
  const ProcessResult result = look(2, {"--ranks", "4"});
  EXPECT_EQ(result.exit_code, 5) << result.out;
  EXPECT_THAT(result.out, HasSubstr("ranks present: 2; expected: 4"));
  EXPECT_EQ(look(2, {"parallel.ranks=4"}).exit_code, 5);
}

// Open MPI 5 with the host file of 4, or another MPI's mpirun: every rank starts as a single rank.
TEST_F(Preflight, RanksThatDoNotSeeEachOtherAreCode5) {
  EXPECT_EQ(run(line({"--ranks", "2"})).exit_code, 5);
}

TEST_F(Preflight, MissingDataIsNamedWithItsRank) {
  const int code = tiny_.train(1, "alone", {"data.source=/nowhere"}).exit_code;
  const ProcessResult result = look(2, {"data.source=/nowhere"});
  EXPECT_EQ(result.exit_code, code) << result.out;
  EXPECT_THAT(result.out, ContainsRegex("FAIL  data +rank 0 on .*/nowhere"));
  EXPECT_THAT(result.err, HasSubstr("not ready to train: data: rank 0 on "));
}

TEST_F(Preflight, ARunThatDoesNotFitTheMemoryIsCode4WithTheChangeThatFits) {
  const ProcessResult result = look(2, {"data.batch=268435456"});
  EXPECT_EQ(result.exit_code, 4) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("not ready to train: plan: rank 0 on "));
  EXPECT_THAT(result.out, HasSubstr("fits: data.micro_batches="));
  const ProcessResult warned = look(2, {"data.batch=268435456", "memory.check=warn"});
  EXPECT_EQ(warned.exit_code, 0) << warned.out << warned.err;
  EXPECT_THAT(warned.out, AllOf(HasSubstr("warn  plan"), HasSubstr("ready to train")));
}

TEST_F(Preflight, AFolderThatCannotBeWrittenIsCode8) {
  const ProcessResult result = look(2, {"run.dir=/proc/no/such"});
  EXPECT_EQ(result.exit_code, 8) << result.out;
  EXPECT_THAT(result.out, ContainsRegex("FAIL  folder +rank 0 on .*/proc/no/such"));
}

TEST_F(Preflight, TwoFoldersOfTheSameNameAreNotShared) {
  // As on hosts that have run.dir on a local disk. A shell chooses the folder by the rank, since mpirun 5.0.7
  // itself crashes if its command line has several programs.
  std::vector<std::string> argv{"sh", "-c",
                                R"(folder=$1; shift; exec "$@" "run.dir=$folder/$OMPI_COMM_WORLD_RANK")",
                                "sh", tiny_.folder().path()};
  for (const std::string& word : line({})) argv.push_back(word);
  const ProcessResult result = run(mpirun(2, argv));
  EXPECT_EQ(result.exit_code, 8) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("what rank 1 has written into "));
}

TEST_F(Preflight, ARequiredButMissingGpuIsCode2) {
  if (fs::exists("/proc/driver/nvidia/version")) GTEST_SKIP() << "this machine has a GPU";
  const ProcessResult result = look(2, {"run.device=cuda"});
  EXPECT_EQ(result.exit_code, 2) << result.out;
  EXPECT_THAT(result.out, ContainsRegex("FAIL  device +rank 0 on .*run.device=cuda"));
}

TEST_F(Preflight, AWrongConfigurationIsReportedOnce) {
  const ProcessResult result = look(2, {"optimizer.lrr=1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("did you mean"));
  EXPECT_EQ(result.err.find("did you mean"), result.err.rfind("did you mean")) << result.err;
}

// `ebb launch --preflight`: before the run, on the same ranks.
TEST_F(Preflight, RunsBeforeALaunchedRun) {
  std::vector<std::string> argv = tiny_.launch("looked-at", {"run.steps=3"});
  argv.insert(argv.begin() + 2, "--preflight");
  const ProcessResult well = run(argv);
  ASSERT_EQ(well.exit_code, 0) << well.out << well.err;
  EXPECT_LT(well.out.find("ready to train"), well.out.find("global batch"));

  const std::string message = tiny_.folder() / "message";
  argv.insert(argv.begin() + 2, {"--supervise", "--termination-message", message});
  argv.emplace_back("data.source=/nowhere");
  const ProcessResult ill = run(argv);
  EXPECT_EQ(ill.exit_code, tiny_.train(1, "alone", {"data.source=/nowhere"}).exit_code) << ill.out << ill.err;
  EXPECT_THAT(ill.out, Not(HasSubstr("global batch"))) << "it trained in spite of the failure";
  std::ifstream in(message);
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(in), {}),
              HasSubstr("not ready to train: data: rank 0 on "));
  EXPECT_TRUE(fs::exists(tiny_.run_folder("looked-at") + "/verdict.json"));
}

}  // namespace
}  // namespace ebb::test

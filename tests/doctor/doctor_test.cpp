// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using ::testing::HasSubstr;

ProcessResult doctor(int ranks, std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), {ebb_binary(), "doctor"});
  return run(ranks == 0 ? arguments : mpirun(ranks, arguments));
}

TEST(Doctor, PrintsALinePerCheck) {
  const ProcessResult result = doctor(0);
  for (const char* name : {"ranks", "versions", "mpirun", "cpu", "memory", "shm", "disk", "gpu", "time"}) {
    EXPECT_THAT(result.out, ::testing::ContainsRegex(std::string(" ") + name + " ")) << result.out;
  }
}

TEST(Doctor, ReturnsTheCodeOfTheGravestFailure) {
  const ProcessResult result = doctor(0, {"--json"});
  const nlohmann::json report = nlohmann::json::parse(result.out);
  EXPECT_EQ(result.exit_code, report.at("exit_code").get<int>());
  bool failed = false;
  for (const nlohmann::json& check : report.at("checks")) failed = failed || check.at("health") == "fail";
  EXPECT_EQ(failed, result.exit_code != 0) << result.out;
  ASSERT_EQ(report.at("ranks").size(), 1U);
}

TEST(Doctor, PrintsOnceForAllRanksUnderMpirun) {
  const ProcessResult result = doctor(2, {"--json"});
  const nlohmann::json report = nlohmann::json::parse(result.out);
  ASSERT_EQ(report.at("ranks").size(), 2U);
  EXPECT_EQ(report.at("ranks").at(1).at("rank"), 1);
  EXPECT_EQ(report.at("ranks").at(1).at("size"), 2);
  EXPECT_EQ(report.at("ranks").at(0).at("local_size"), 2);
  EXPECT_EQ(result.exit_code, report.at("exit_code").get<int>());
}

TEST(Doctor, ReportsTheRanksOfAnOrdinaryMpirun) {
  EXPECT_THAT(doctor(2).out, HasSubstr("2 on 1 host"));
}

TEST(DoctorOfAConfiguration, ChecksWhatItsRunNeedsAndWritesNothing) {
  const TinyRun tiny;
  const ProcessResult result =
      doctor(0, {tiny.folder() / "tiny.yaml", "run.name=examined", "parallel.ranks=2"});
  for (const char* name : {"cpu", "data", "world", "device", "plan", "space"})
    EXPECT_THAT(result.out, ::testing::ContainsRegex(std::string("(ok  |warn)  ") + name + " "))
        << result.out;
  EXPECT_THAT(result.out, HasSubstr("1 here, parallel.ranks is 2"));
  EXPECT_THAT(result.out, HasSubstr("a checkpoint takes"));
  EXPECT_FALSE(std::filesystem::exists(tiny.run_folder("examined")));
}

TEST(DoctorOfAConfiguration, MissingDataFailsWithTheCodeOfTraining) {
  const TinyRun tiny;
  const int code = tiny.train(1, "alone", {"data.source=/nowhere"}).exit_code;
  const ProcessResult result = doctor(0, {"--json", tiny.folder() / "tiny.yaml", "data.source=/nowhere"});
  const nlohmann::json report = nlohmann::json::parse(result.out);
  const nlohmann::json& last = report.at("checks").back();
  EXPECT_EQ(last.at("name"), "data");
  EXPECT_EQ(last.at("health"), "fail");
  EXPECT_THAT(last.at("found").get<std::string>(), HasSubstr("/nowhere"));
  EXPECT_NE(code, 0);
  EXPECT_EQ(result.exit_code, code);
}

TEST(DoctorOfAConfiguration, AWrongConfigurationIsCode2) {
  const TinyRun tiny;
  EXPECT_EQ(doctor(0, {tiny.folder() / "tiny.yaml", "optimizer.lrr=1"}).exit_code, 2);
}

}  // namespace
}  // namespace ebb::test

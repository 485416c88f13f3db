#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/process.h"

namespace ebb::test {
namespace {

using ::testing::HasSubstr;

ProcessResult doctor(int ranks, std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.begin(), {ebb_binary(), "doctor"});
  return run(ranks == 0 ? arguments : mpirun(ranks, arguments));
}

TEST(Doctor, SaysALineAboutEachThing) {
  const ProcessResult result = doctor(0);
  for (const char* name : {"ranks", "versions", "mpirun", "cpu", "memory", "shm", "disk", "gpu", "time"}) {
    EXPECT_THAT(result.out, ::testing::ContainsRegex(std::string(" ") + name + " ")) << result.out;
  }
}

TEST(Doctor, TheCodeFollowsTheGravestFailure) {
  const ProcessResult result = doctor(0, {"--json"});
  const nlohmann::json report = nlohmann::json::parse(result.out);
  EXPECT_EQ(result.exit_code, report.at("exit_code").get<int>());
  bool failed = false;
  for (const nlohmann::json& check : report.at("checks")) failed = failed || check.at("health") == "fail";
  EXPECT_EQ(failed, result.exit_code != 0) << result.out;
  ASSERT_EQ(report.at("ranks").size(), 1U);
}

TEST(Doctor, UnderMpirunSpeaksOnceForAllRanks) {
  const ProcessResult result = doctor(2, {"--json"});
  const nlohmann::json report = nlohmann::json::parse(result.out);
  ASSERT_EQ(report.at("ranks").size(), 2U);
  EXPECT_EQ(report.at("ranks").at(1).at("rank"), 1);
  EXPECT_EQ(report.at("ranks").at(1).at("size"), 2);
  EXPECT_EQ(report.at("ranks").at(0).at("local_size"), 2);
  EXPECT_EQ(result.exit_code, report.at("exit_code").get<int>());
}

TEST(Doctor, AnOrdinaryMpirunOfTwoRanksIsTold) {
  EXPECT_THAT(doctor(2).out, HasSubstr("2 on 1 host"));
}

}  // namespace
}  // namespace ebb::test

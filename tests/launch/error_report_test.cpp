// SPDX-License-Identifier: Apache-2.0
#include "launch/error_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "launch/recorded.h"

namespace ebb::launch {
namespace {

using ::testing::HasSubstr;

ErrorReport of(std::string_view text) {
  ErrorReportParser parser;
  // A byte at a time, as it may come.
  for (const char c : text) parser.feed({&c, 1});
  return parser.found();
}

TEST(ErrorReport, TakesTheFirstErrorOfARank) {
  const ErrorReport error =
      of("some warning\nebb: rank 1 of 4 on node-b: no room for 4096 bytes\n  because: so\n"
         "ebb: rank 2 of 4 on node-c: lost rank 1\n");
  EXPECT_EQ(error.rank, 1);
  EXPECT_EQ(error.host, "node-b");
  EXPECT_EQ(error.text, "no room for 4096 bytes");
  EXPECT_TRUE(error.rank_reported);
}

TEST(ErrorReport, OfASingleRankHasNoRankNumber) {
  const ErrorReport error = of("ebb: tiny.yaml:3: there is no key rank 1 of them\n");
  EXPECT_EQ(error.rank, -1);
  EXPECT_EQ(error.text, "tiny.yaml:3: there is no key rank 1 of them");
}

TEST(ErrorReport, UsesMpirunsTextOnlyWithoutARanksError) {
  const std::string killed =
      "mpirun noticed that process rank 3 with PID 71 on node node-b exited on signal 9 (Killed).\r\n";
  const ErrorReport error = of(killed);
  EXPECT_EQ(error.rank, 3);
  EXPECT_EQ(error.host, "node-b");
  EXPECT_THAT(error.text, HasSubstr("signal 9 (Killed)"));
  EXPECT_FALSE(error.rank_reported);
  EXPECT_EQ(of(killed + "ebb: rank 0 of 4 on node-a: lost rank 3\n").rank, 0);
  EXPECT_EQ(of("ebb: rank 0 of 4 on node-a: lost rank 3\n" + killed).rank, 0);
}

TEST(ErrorReport, NamesALostHost) {
  const ErrorReport error =
      of("ORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[1644,0],0] on node here\n"
         "  Remote daemon: [[1644,0],1] on node vae-worker-1.vae.team.svc\n");
  EXPECT_EQ(error.host, "vae-worker-1.vae.team.svc");
  EXPECT_EQ(error.rank, -1);
  EXPECT_THAT(error.text, HasSubstr("connection to host vae-worker-1.vae.team.svc was lost"));
}

TEST(ErrorReport, DetectsAFailedStart) {
  EXPECT_EQ(of("ORTE was unable to reliably start one or more daemons.\n").start, ErrorReport::Start::failed);
  EXPECT_EQ(of("There are not enough slots available in the system to satisfy the 64\n").start,
            ErrorReport::Start::no_slots);
  EXPECT_EQ(of("all is well\n").start, ErrorReport::Start::succeeded);
}

TEST(ErrorReport, NamesTheKilledRankInBothVersions) {
  for (const char* version : test::kOpenMpiVersions) {
    const ErrorReport error = of(test::recorded(version, "kill"));
    EXPECT_EQ(error.rank, 1) << version;
    EXPECT_EQ(error.host, "vm") << version;
    EXPECT_THAT(error.text, HasSubstr("exited on signal 9 (Killed).")) << version;
    EXPECT_FALSE(error.rank_reported);
    EXPECT_EQ(of(test::recorded(version, "exit")).rank, -1) << version;
  }
}

TEST(ErrorReport, DetectsAFailedStartInBothVersions) {
  for (const char* version : test::kOpenMpiVersions) {
    EXPECT_EQ(of(test::recorded(version, "slots")).start, ErrorReport::Start::no_slots) << version;
    EXPECT_EQ(of(test::recorded(version, "missing")).start, ErrorReport::Start::failed) << version;
    EXPECT_EQ(of(test::recorded(version, "kill")).start, ErrorReport::Start::succeeded) << version;
  }
  EXPECT_EQ(of(test::recorded("4.1.4", "refused")).start, ErrorReport::Start::failed);
  // Version 5 does not distinguish an unreachable host from a lost one.
  for (const char* name : {"refused", "lost"}) {
    const ErrorReport error = of(test::recorded("5.0.7", name));
    EXPECT_TRUE(error.host_lost) << name;
    EXPECT_THAT(error.loss, HasSubstr("connection to host ")) << name;
  }
}

TEST(ErrorReport, TakesTheCodeOfAnAbortInBothVersions) {
  for (const char* version : test::kOpenMpiVersions) {
    EXPECT_EQ(of(test::recorded(version, "abort")).abort_code, 6) << version;
    EXPECT_EQ(of(test::recorded(version, "exit")).abort_code, 0) << version;
  }
  // Only in mpirun's paragraph, and only the first.
  EXPECT_EQ(of("with errorcode 4.\n").abort_code, 0);
  const std::string paragraph = "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD\n";
  EXPECT_EQ(of(paragraph + "with errorcode 3.\n" + paragraph + "with errorcode 5.\n").abort_code, 3);
}

TEST(ErrorReport, TruncatesAHugeLine) {
  EXPECT_LE(of("ebb: " + std::string(1'000'000, 'x') + "\n").text.size(), 65536U);
}

// As mpirun 4.1.4 writes them.
TEST(ErrorReport, RefusalsOfMpirunHaveTheirReason) {
  using Start = ErrorReport::Start;
  for (const auto& [line, start, reason] : std::vector<std::tuple<std::string, Start, std::string>>{
           {"All nodes which are allocated for this job are already filled.", Start::no_slots,
            "already filled"},
           {"[vm:31015] PML ucx cannot be selected", Start::refused,
            "PML ucx cannot be selected: this Open MPI lacks it"},
           {"  orte_session_dir failed", Start::refused, "TMPDIR"},
           {"A requested component was not found, or was unable to be opened.  This", Start::refused,
            "lacks a component"},
           {"[vm:8] opal_ifinit: unable to find network interfaces.", Start::refused, "not even lo"},
           {"presence of an illegal character in the following node name:", Start::refused,
            "letters, digits, dots and hyphens"},
           {"The SLURM process starter for OpenMPI was unable to locate a", Start::refused, "srun"},
           {"  plm_rsh_agent: ssh : rsh", Start::refused, "neither ssh nor rsh"}}) {
    ErrorReportParser parser;
    parser.feed(line + "\n");
    EXPECT_EQ(parser.found().start, start) << line;
    EXPECT_NE(parser.found().text.find(reason), std::string::npos) << parser.found().text;
  }
  ErrorReportParser parser;
  parser.feed("[vm:8] [[1,0],0] ORTE_ERROR_LOG: Out of resource in file ../../x.c at line 507\n");
  EXPECT_EQ(parser.found().internal, "mpirun had an internal error: Out of resource");
  EXPECT_EQ(parser.found().text, "");
}

}  // namespace
}  // namespace ebb::launch

// SPDX-License-Identifier: Apache-2.0
#include "launch/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "launch/recorded.h"

namespace ebb::launch {
namespace {

using ::testing::HasSubstr;

TEST(Verdict, ACodeOfEbbIsReturnedWithoutAMessage) {
  for (const int code : {0, 2, 3, 4, 5, 6, 7, 8, 75}) {
    EXPECT_EQ(static_cast<int>(verdict({code, 0, false}).code), code);
    EXPECT_EQ(verdict({code, 0, false}).message, "");
  }
}

TEST(Verdict, TheCode1IsAFaultOfEbbOnlyIfARankReportsIt) {
  RunEnd end{1, 0, false};
  end.error.internal = "mpirun had an internal error: Out of resource";
  EXPECT_EQ(verdict(end).code, ExitCode::usage);
  EXPECT_THAT(verdict(end).message, HasSubstr("(its code 1): mpirun had an internal error: Out of resource"));
  end.error.rank_reported = true;
  EXPECT_EQ(verdict(end).code, ExitCode::internal);
  EXPECT_EQ(verdict(end).message, "");
}

TEST(Verdict, WithoutAReasonOfMpirunTheComponentsThatVariablesAskForAreNamed) {
  RunEnd end{1, 0, false};
  end.chosen_components = "OMPI_MCA_pml=ucx";
  EXPECT_THAT(
      verdict(end).message,
      HasSubstr("(its code 1): perhaps this Open MPI lacks a component that OMPI_MCA_pml=ucx asks for"));
  end.error.internal = "mpirun had an internal error: Out of resource";
  EXPECT_THAT(verdict(end).message, HasSubstr("Out of resource; perhaps this Open MPI lacks a component"));
  end.error.text = "this host has no network interface that is up";
  EXPECT_EQ(verdict(end).message.find("perhaps"), std::string::npos) << verdict(end).message;
}

// After ten hours it is no error of usage, which would be final.
TEST(Verdict, TheCode1OfARunThatHadBegunIsWorthAnotherTry) {
  RunEnd end{1, 0, false};
  end.began = true;
  end.error.internal = "mpirun had an internal error: Data unpack would read past end";
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
  EXPECT_THAT(verdict(end).message, HasSubstr("(its code 1): mpirun had an internal error: Data unpack"));
  end.out_of_memory = true;
  EXPECT_EQ(verdict(end).code, ExitCode::memory);
  end.error.rank_reported = true;
  EXPECT_EQ(verdict(end).code, ExitCode::internal);
}

TEST(Verdict, AnInternalErrorOfMpirunExplainsACodeThatNoRankReturns) {
  RunEnd end{213, 0, false};
  end.error.internal = "mpirun had an internal error: Data unpack would read past end";
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
  EXPECT_THAT(verdict(end).message, HasSubstr("Data unpack would read past end"));
}

TEST(Verdict, ARefusalOfMpirunIsAnErrorOfUsageWithItsReason) {
  RunEnd end{213, 0, false};
  end.error.start = ErrorReport::Start::refused;
  end.error.text = "mpirun finds neither ssh nor rsh on PATH";
  EXPECT_EQ(verdict(end).code, ExitCode::usage);
  EXPECT_THAT(verdict(end).message, HasSubstr("mpirun finds neither ssh nor rsh on PATH"));
}

// Some versions of mpirun warn of a component that is missing, and go on.
TEST(Verdict, ARefusalThatDidNotStopTheRunIsNone) {
  RunEnd end{213, 0, false};
  end.error.start = ErrorReport::Start::refused;
  end.error.text = "this Open MPI lacks a component";
  end.began = true;
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
}

TEST(Verdict, AKilledRankLackedMemoryOnlyIfTheKernelReportsIt) {
  EXPECT_EQ(verdict({137, 0, true}).code, ExitCode::memory);
  EXPECT_EQ(verdict({137, 0, false}).code, ExitCode::communication);
  // Also if mpirun ended with the code of a rank that missed it, or lost its host through it. But not if a
  // rank diverged at the same time.
  EXPECT_EQ(verdict({5, 0, true}).code, ExitCode::memory);
  EXPECT_EQ(verdict({205, 0, true}).code, ExitCode::memory);
  EXPECT_EQ(verdict({6, 0, true}).code, ExitCode::numerics);
}

TEST(Verdict, AForciblyEndedMpirunMeansALostHost) {
  RunEnd end{137, 0, false, true};
  end.error.rank_reported = true;
  end.error.text = "all_reduce did not end within its limit";
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
  EXPECT_THAT(verdict(end).message, HasSubstr("does not answer"));
}

TEST(Verdict, AnMpirunThatHangsAfterAKilledRankGetsThatRanksVerdict) {
  RunEnd end{137, 0, false, true};
  end.error.rank = 0;
  end.error.text = "mpirun noticed that process rank 0 with PID 0 on node a exited on signal 9 (Killed).";
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
  EXPECT_THAT(verdict(end).message, HasSubstr("a rank was killed or crashed"));
  end.out_of_memory = true;
  EXPECT_EQ(verdict(end).code, ExitCode::memory);
}

TEST(Verdict, ACrashOfMpirunItselfDoesNotHideTheCodeOfTheRank) {
  RunEnd end{128 + SIGSEGV, 0, false, false, true};
  end.error.rank_reported = true;
  end.error.abort_code = 3;
  EXPECT_EQ(verdict(end).code, ExitCode::data);
  EXPECT_EQ(verdict(end).message, "");
  // Here a rank crashed, and mpirun returned its code; another rank missed it and called MPI_Abort.
  end.crashed = false;
  end.error.abort_code = 5;
  EXPECT_EQ(verdict(end).code, ExitCode::internal);
}

// Version 5 returns 1 after it has lost a host.
TEST(Verdict, TheCodeOfARankThatMissedALostHostIsItsOwn) {
  RunEnd end{1, 0, false};
  end.error.host_lost = end.error.rank_reported = true;
  end.error.abort_code = 5;
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
  end.error.abort_code = 1;
  EXPECT_EQ(verdict(end).code, ExitCode::internal);
  end.error.abort_code = 0;
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
}

TEST(Verdict, ALostHostIsCommunication) {
  const Verdict lost = verdict({205, 0, false});
  EXPECT_EQ(lost.code, ExitCode::communication);
  EXPECT_THAT(lost.message, HasSubstr("205"));
}

// Version 5 of Open MPI ends with 0 after the daemon of a host was killed, and with 1 if ssh refused.
TEST(Verdict, ALostHostIsCommunicationForEachCodeOfVersionFive) {
  for (const auto& [name, code] : {std::pair{"lost", 0}, std::pair{"refused", 1}}) {
    ErrorReportParser parser;
    parser.feed(test::recorded("5.0.7", name));
    RunEnd end{code, 0, false};
    end.error = parser.found();
    EXPECT_EQ(verdict(end).code, ExitCode::communication) << name;
    EXPECT_THAT(verdict(end).message, HasSubstr("connection to host ")) << name;
    end.out_of_memory = true;
    EXPECT_EQ(verdict(end).code, ExitCode::memory) << name;
  }
  // An error that a rank explains keeps its code.
  ErrorReportParser parser;
  parser.feed("ebb: rank 0 of 2 on vm: a fault\n" + test::recorded("5.0.7", "lost") +
              "\nMPI_ABORT was invoked on rank 0 in communicator MPI_COMM_WORLD\n  Proc: [[1,1],0]\n"
              "  Errorcode: 1\n");
  RunEnd end{1, 0, false};
  end.error = parser.found();
  EXPECT_EQ(verdict(end).code, ExitCode::internal);
}

// The remaining ranks may report before or after mpirun's daemon does.
TEST(Verdict, ALostHostIsNamedEvenWithARanksError) {
  const std::string lost = "  Remote daemon: [[1,0],2] on node host-1\n",
                    rank = "ebb: rank 0 of 2 on vm: it is gone\n";
  for (const std::string& text : {lost + rank, rank + lost}) {
    ErrorReportParser parser;
    parser.feed(text);
    RunEnd end{205, 0, false};
    end.error = parser.found();
    EXPECT_EQ(end.error.text, "it is gone");
    EXPECT_THAT(verdict(end).message, HasSubstr("connection to host host-1 was lost"));
  }
}

TEST(Verdict, AnMpirunThatHangsAfterALossNamesTheLoss) {
  RunEnd end{137, 0, false};
  end.error.host_lost = true;
  end.error.text = "the connection to host node-7 was lost";
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
  EXPECT_THAT(verdict(end).message, HasSubstr("node-7"));
  EXPECT_THAT(verdict(end).message, ::testing::Not(HasSubstr("SIGKILL")));
}

TEST(Verdict, ACrashIsAnInternalError) {
  EXPECT_EQ(verdict({128 + SIGSEGV, 0, false}).code, ExitCode::internal);
  EXPECT_THAT(verdict({128 + SIGSEGV, 0, false}).message, HasSubstr("signal 11"));
}

TEST(Verdict, AStopBeforeTheRanksListenReturns75) {
  EXPECT_EQ(verdict({128 + SIGUSR1, 1, false}).code, ExitCode::stopped);
  EXPECT_EQ(verdict({128 + SIGUSR1, 0, false}).code, ExitCode::communication);
}

TEST(Verdict, AnImmediateEndSaysWhatIsLost) {
  EXPECT_EQ(verdict({1, 2, false}).code, ExitCode::communication);
  EXPECT_THAT(verdict({1, 2, false}).message, HasSubstr("last complete checkpoint"));
  EXPECT_EQ(verdict({75, 2, false}).code, ExitCode::stopped);
}

TEST(Verdict, AFailedStartIsNotAnInternalError) {
  RunEnd end{1, 0, false};
  end.error.start = ErrorReport::Start::failed;
  EXPECT_EQ(verdict(end).code, ExitCode::communication);
  end.error.start = ErrorReport::Start::no_slots;
  EXPECT_EQ(verdict(end).code, ExitCode::usage);
  // A rank that wrote something did start.
  end.error.rank_reported = true;
  EXPECT_EQ(verdict(end).code, ExitCode::internal);
}

}  // namespace
}  // namespace ebb::launch

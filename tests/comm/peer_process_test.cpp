// SPDX-License-Identifier: Apache-2.0
#include "comm/peer_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

namespace ebb::comm {
namespace {

// Forks a child that announces its exit on SIGUSR1.
class PeerProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto previous = ::signal(SIGUSR1, [](int) { announce_exit(ExitCode::storage); });
    child_ = ::fork();
    while (child_ == 0) ::pause();
    ::signal(SIGUSR1, previous);
    ASSERT_GT(child_, 0);
  }
  void TearDown() override {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  pid_t child_ = 0;
};

TEST_F(PeerProcessTest, SeesTheEndOfAProcessAndOfAZombie) {
  const PeerProcess peer = PeerProcess::at(host_name(), child_);
  EXPECT_EQ(peer.pid(), child_);
  EXPECT_FALSE(peer.has_ended());
  EXPECT_FALSE(peer.announced_exit());
  ::kill(child_, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(peer.has_ended());  // a zombie
  ::waitpid(child_, nullptr, 0);
  EXPECT_TRUE(peer.has_ended());  // gone
}

TEST_F(PeerProcessTest, ReadsTheAnnouncedExitCode) {
  const PeerProcess peer = PeerProcess::at(host_name(), child_);
  ::kill(child_, SIGUSR1);
  for (int i = 0; i < 500 && !peer.announced_exit(); ++i) ::usleep(10'000);
  EXPECT_EQ(peer.announced_exit(), ExitCode::storage);
  EXPECT_FALSE(peer.has_ended());
}

TEST_F(PeerProcessTest, DoesNotWatchAnotherHostOrProgram) {
  for (const PeerProcess& unwatched :
       {PeerProcess(), PeerProcess::at("another-host", child_), PeerProcess::at(host_name(), 1)}) {
    EXPECT_EQ(unwatched.pid(), 0);
    EXPECT_FALSE(unwatched.has_ended());
    EXPECT_FALSE(unwatched.announced_exit());
  }
}

}  // namespace
}  // namespace ebb::comm

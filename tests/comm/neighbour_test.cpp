#include "comm/neighbour.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

namespace ebb::comm {
namespace {

// A child that does what a test asks of it by the signals SIGUSR1 (says its last word) and SIGKILL.
class NeighbourTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto before = ::signal(SIGUSR1, [](int) { say_to_neighbours(ExitCode::storage); });
    child_ = ::fork();
    while (child_ == 0) ::pause();
    ::signal(SIGUSR1, before);
    ASSERT_GT(child_, 0);
  }
  void TearDown() override {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  pid_t child_ = 0;
};

TEST_F(NeighbourTest, IsSeenToEndAlsoBeforeItsParentHasNoticed) {
  const Neighbour neighbour = Neighbour::at(host_name(), child_);
  EXPECT_EQ(neighbour.pid(), child_);
  EXPECT_FALSE(neighbour.has_ended());
  EXPECT_FALSE(neighbour.last_word());
  ::kill(child_, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOWAIT), 0);
  EXPECT_TRUE(neighbour.has_ended());  // a zombie
  ::waitpid(child_, nullptr, 0);
  EXPECT_TRUE(neighbour.has_ended());  // gone
}

TEST_F(NeighbourTest, ItsLastWordIsHeard) {
  const Neighbour neighbour = Neighbour::at(host_name(), child_);
  ::kill(child_, SIGUSR1);
  for (int i = 0; i < 500 && !neighbour.last_word(); ++i) ::usleep(10'000);
  EXPECT_EQ(neighbour.last_word(), ExitCode::storage);
  EXPECT_FALSE(neighbour.has_ended());
}

TEST_F(NeighbourTest, AnotherHostOrProgramIsNotWatched) {
  for (const Neighbour& unknown :
       {Neighbour(), Neighbour::at("another-host", child_), Neighbour::at(host_name(), 1)}) {
    EXPECT_EQ(unknown.pid(), 0);
    EXPECT_FALSE(unknown.has_ended());
    EXPECT_FALSE(unknown.last_word());
  }
}

}  // namespace
}  // namespace ebb::comm

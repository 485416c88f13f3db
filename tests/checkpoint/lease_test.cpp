#include "checkpoint/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include "base/error.h"
#include "checkpoint/lease_file.h"

namespace ebb::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kLong_s = 3600;

class LeaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "ebb-lease-XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    run_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(run_); }
  void put(const std::string& text) const { std::ofstream(run_ / "lease.json", std::ios::trunc) << text; }
  std::optional<Holder> holder() const {
    const auto text = LeaseFile(run_).read();
    return text ? Holder::parse(*text) : std::nullopt;
  }
  bool is_ours() const {
    const auto h = holder();
    return h && h->pid == ::getpid() && h->host == Holder::of_this_process(1, 1).host && h->token != "other";
  }
  Error refusal() const {
    try {
      const Lease lease(run_, WhenHeld::refuse, kLong_s, kLong_s);
    } catch (const Error& e) {
      return e;
    }
    return {ExitCode::ok, ""};
  }
  // A holder of another host, as its lease would stand here.
  static Holder elsewhere(double renewed_ago_s, double renew_s, double expire_s) {
    Holder h = Holder::of_this_process(renew_s, expire_s);
    h.host = "elsewhere";
    h.token = "other";
    h.renewed_at -= renewed_ago_s;
    return h;
  }
  static bool comes_true(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::yield();
    }
    return true;
  }
  std::filesystem::path run_;
};

TEST_F(LeaseTest, IsHeldAndGivenBack) {
  {
    const Lease lease(run_ / "new", WhenHeld::refuse, kLong_s, kLong_s);
    EXPECT_TRUE(std::filesystem::exists(run_ / "new" / "lease.json"));
    EXPECT_NO_THROW(lease.check());
  }
  EXPECT_TRUE(std::filesystem::is_empty(run_ / "new"));
}

TEST_F(LeaseTest, ASecondIsRefusedWithTheHolderAndBothWaysOn) {
  const Lease lease(run_, WhenHeld::refuse, kLong_s, kLong_s);
  const Error e = refusal();
  EXPECT_EQ(e.code(), ExitCode::usage);
  EXPECT_THAT(e.what(), AllOf(HasSubstr("process " + std::to_string(::getpid())),
                              HasSubstr("run.when_held=wait"), HasSubstr("run.name=")));
  EXPECT_NO_THROW(lease.check());
}

TEST_F(LeaseTest, ASecondWaitsUntilTheFirstGivesItBack) {
  std::optional<Lease> first(std::in_place, run_, WhenHeld::refuse, 0.01, kLong_s);
  std::string said;
  const Lease second(run_, WhenHeld::wait, 0.01, kLong_s, [&](const std::string& text) {
    said = text;
    first.reset();
  });
  EXPECT_THAT(said, AllOf(HasSubstr("waiting for"), HasSubstr("process " + std::to_string(::getpid()))));
  EXPECT_NO_THROW(second.check());
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, WaitingEndsWhenAskedToStop) {
  const Lease first(run_, WhenHeld::refuse, kLong_s, kLong_s);
  int asked = 0;
  try {
    const Lease second(run_, WhenHeld::wait, 0.01, kLong_s, {}, [&] { return ++asked == 3; });
    FAIL() << "it was given twice";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::stopped);
  }
  EXPECT_EQ(asked, 3);
  EXPECT_NO_THROW(first.check());
}

TEST_F(LeaseTest, AHolderWhoseProcessIsGoneIsTakenOverAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    new Lease(run_, WhenHeld::refuse, kLong_s, kLong_s);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(holder()->pid, child);
  const Lease lease(run_, WhenHeld::refuse, kLong_s, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, AnotherProcessOfTheSameNumberIsNotTheHolder) {
  Holder h = Holder::of_this_process(kLong_s, kLong_s);
  h.process_start -= 1;
  h.token = "other";
  put(h.to_text());
  const Lease lease(run_, WhenHeld::refuse, kLong_s, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, AHolderOfAnotherHostIsNotJudgedByItsProcessNumber) {
  Holder h = elsewhere(0, kLong_s, kLong_s);
  h.process_start = 1;
  put(h.to_text());
  EXPECT_EQ(refusal().code(), ExitCode::usage);
}

TEST_F(LeaseTest, AnExpiredHolderIsTakenOver) {
  put(elsewhere(100, 0.01, 60).to_text());
  const Lease lease(run_, WhenHeld::refuse, kLong_s, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, AHolderWhoseClockIsAheadExpiresByOurs) {
  put(elsewhere(-kLong_s, 0.01, 0.05).to_text());
  const Lease lease(run_, WhenHeld::wait, 0.01, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, ADamagedLeaseIsNotOverrun) {
  put("{");
  EXPECT_EQ(refusal().code(), ExitCode::usage);
}

TEST_F(LeaseTest, AHolderThatWasTakenOverIsTold) {
  const Lease lease(run_, WhenHeld::refuse, 0.01, kLong_s);
  // Renewals rename over the file: put the other's in until one of them sees it.
  EXPECT_TRUE(comes_true([&] {
    const auto h = holder();
    if (!h || h->token != "other") put(elsewhere(0, kLong_s, kLong_s).to_text());
    try {
      lease.check();
      return false;
    } catch (const Error& e) {
      return e.code() == ExitCode::communication;
    }
  }));
}

TEST_F(LeaseTest, AHolderThatCannotRenewIsTold) {
  const Lease lease(run_, WhenHeld::refuse, kLong_s, 0.01);
  EXPECT_TRUE(comes_true([&] {
    try {
      lease.check();
      return false;
    } catch (const Error&) {
      return true;
    }
  }));
}

TEST_F(LeaseTest, IsRenewed) {
  const Lease lease(run_, WhenHeld::refuse, 0.01, kLong_s);
  EXPECT_TRUE(comes_true([&] { return holder() && holder()->renewals >= 2; }));
  std::filesystem::remove(run_ / "lease.json");
  EXPECT_TRUE(comes_true([&] { return is_ours(); })) << "a lease that was deleted is not put back";
}

TEST_F(LeaseTest, TakingAwayPutsBackWhatChangedMeanwhile) {
  const Holder h = elsewhere(0, 1, 1);
  put(h.to_text());
  const LeaseFile file(run_);
  file.take_away("what it read before", "me");
  EXPECT_EQ(file.read(), h.to_text());
  file.take_away(h.to_text(), "me");
  EXPECT_FALSE(file.read());
  EXPECT_TRUE(std::filesystem::is_empty(run_));
}

}  // namespace
}  // namespace ebb::checkpoint

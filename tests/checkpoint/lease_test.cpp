// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <thread>

#include "base/error.h"
#include "checkpoint/lease_file.h"
#include "support/folder_test.h"

namespace ebb::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr double kLong_s = 3600;

class LeaseTest : public test::FolderTest {
 protected:
  std::optional<LeaseHolder> holder() const {
    const auto text = LeaseFile(folder_).read();
    return text ? LeaseHolder::parse(*text) : std::nullopt;
  }
  bool is_ours() const {
    const auto h = holder();
    return h && h->pid == ::getpid() && h->host == LeaseHolder::of_this_process(1, 1).host &&
           h->token != "other";
  }
  Error refusal() const {
    try {
      const Lease lease(folder_, WhenHeld::refuse, kLong_s, kLong_s);
    } catch (const Error& e) {
      return e;
    }
    return {ExitCode::ok, ""};
  }
  // The lease of a holder on another host.
  static LeaseHolder elsewhere(double renewed_ago_s, double renew_s, double expire_s) {
    LeaseHolder h = LeaseHolder::of_this_process(renew_s, expire_s);
    h.host = "elsewhere";
    h.token = "other";
    h.renewed_at -= renewed_ago_s;
    return h;
  }
  static bool comes_true(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_F(LeaseTest, IsHeldAndGivenBack) {
  {
    const Lease lease(folder_ / "new", WhenHeld::refuse, kLong_s, kLong_s);
    EXPECT_TRUE(std::filesystem::exists(folder_ / "new" / "lease.json"));
    EXPECT_NO_THROW(lease.check());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "new"));
}

TEST_F(LeaseTest, ASecondIsRefusedWithTheHolderAndBothWaysOn) {
  const Lease lease(folder_, WhenHeld::refuse, kLong_s, kLong_s);
  const Error e = refusal();
  EXPECT_EQ(e.code(), ExitCode::usage);
  EXPECT_THAT(e.what(), AllOf(HasSubstr("process " + std::to_string(::getpid())),
                              HasSubstr("run.when_held=wait"), HasSubstr("run.name=")));
  EXPECT_NO_THROW(lease.check());
}

TEST_F(LeaseTest, ASecondWaitsUntilTheFirstGivesItBack) {
  std::optional<Lease> first(std::in_place, folder_, WhenHeld::refuse, 0.01, kLong_s);
  std::string said;
  const Lease second(folder_, WhenHeld::wait, 0.01, kLong_s, [&](const std::string& text) {
    said = text;
    first.reset();
  });
  EXPECT_THAT(said, AllOf(HasSubstr("waiting for"), HasSubstr("process " + std::to_string(::getpid()))));
  EXPECT_NO_THROW(second.check());
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, AFailedRenewalLeavesNoFile) {
  std::filesystem::create_directory(folder_ / "lease.json");  // no file can replace a folder
  EXPECT_THROW(LeaseFile(folder_).renew(LeaseHolder::of_this_process(kLong_s, kLong_s)), Error);
  const std::filesystem::directory_iterator files(folder_);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST_F(LeaseTest, TakingIfFreeDoesNotWait) {
  {
    const auto first = Lease::acquire_if_free(folder_ / "new", kLong_s, kLong_s);
    ASSERT_TRUE(first);
    EXPECT_NO_THROW(first->check());
    EXPECT_FALSE(Lease::acquire_if_free(folder_ / "new", kLong_s, kLong_s));
    EXPECT_NO_THROW(first->check());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "new"));
  put("lease.json", elsewhere(0, kLong_s, kLong_s).to_text());
  EXPECT_FALSE(Lease::acquire_if_free(folder_, kLong_s, kLong_s));
  LeaseHolder gone = LeaseHolder::of_this_process(kLong_s, kLong_s);
  gone.process_start -= 1;
  gone.token = "other";
  put("lease.json", gone.to_text());
  EXPECT_TRUE(Lease::acquire_if_free(folder_, kLong_s, kLong_s));
}

TEST_F(LeaseTest, WaitingEndsWhenAskedToStop) {
  const Lease first(folder_, WhenHeld::refuse, kLong_s, kLong_s);
  int asked = 0;
  try {
    const Lease second(folder_, WhenHeld::wait, 0.01, kLong_s, {}, [&] { return ++asked == 3; });
    FAIL() << "two holders got the lease";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::stopped);
  }
  EXPECT_EQ(asked, 3);
  EXPECT_NO_THROW(first.check());
}

TEST_F(LeaseTest, AHolderWhoseProcessIsGoneIsTakenOverAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    new Lease(folder_, WhenHeld::refuse, kLong_s, kLong_s);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_EQ(holder()->pid, child);
  const Lease lease(folder_, WhenHeld::refuse, kLong_s, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, AnotherProcessOfTheSameNumberIsNotTheHolder) {
  LeaseHolder h = LeaseHolder::of_this_process(kLong_s, kLong_s);
  h.process_start -= 1;
  h.token = "other";
  put("lease.json", h.to_text());
  const Lease lease(folder_, WhenHeld::refuse, kLong_s, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, AHolderOfAnotherHostIsNotJudgedByItsProcessNumber) {
  LeaseHolder h = elsewhere(0, kLong_s, kLong_s);
  h.process_start = 1;
  put("lease.json", h.to_text());
  EXPECT_EQ(refusal().code(), ExitCode::usage);
}

TEST_F(LeaseTest, AnExpiredHolderIsTakenOver) {
  put("lease.json", elsewhere(100, 0.01, 60).to_text());
  const Lease lease(folder_, WhenHeld::refuse, kLong_s, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, AHolderWhoseClockIsAheadExpiresByOurs) {
  put("lease.json", elsewhere(-kLong_s, 0.01, 0.05).to_text());
  const Lease lease(folder_, WhenHeld::wait, 0.01, kLong_s);
  EXPECT_TRUE(is_ours());
}

TEST_F(LeaseTest, ADamagedLeaseIsNotOverrun) {
  put("lease.json", "{");
  EXPECT_EQ(refusal().code(), ExitCode::usage);
}

// Nobody would wait for such a holder, and a run may not ignore a file that it cannot judge.
TEST_F(LeaseTest, AHolderWithImpossibleTimesIsWatchedForOurOwnExpiry) {
  for (const auto& [renew_s, expire_s] : {std::pair{1.0, 1e18}, {0.0, 60.0}, {-1.0, 60.0}, {60.0, 1.0}}) {
    const std::string text = elsewhere(0, renew_s, expire_s).to_text();
    EXPECT_FALSE(LeaseHolder::parse(text)) << text;
    put("lease.json", text);
    EXPECT_EQ(refusal().code(), ExitCode::usage);
    const Lease lease(folder_, WhenHeld::wait, 0.01, 0.05);
    EXPECT_TRUE(is_ours());
  }
}

TEST_F(LeaseTest, ALeaseThatIsAPipeIsRefusedAtOnce) {
  ASSERT_EQ(::mkfifo((folder_ / "lease.json").c_str(), 0600), 0);
  EXPECT_EQ(refusal().code(), ExitCode::storage);
}

TEST_F(LeaseTest, AHolderThatWasTakenOverIsTold) {
  const Lease lease(folder_, WhenHeld::refuse, 0.01, kLong_s);
  // Renewals replace the file: write the other lease until a renewal reads it.
  EXPECT_TRUE(comes_true([&] {
    const auto h = holder();
    if (!h || h->token != "other") put("lease.json", elsewhere(0, kLong_s, kLong_s).to_text());
    try {
      lease.check();
      return false;
    } catch (const Error& e) {
      return e.code() == ExitCode::communication;
    }
  }));
}

TEST_F(LeaseTest, AHolderThatCannotRenewIsTold) {
  const Lease lease(folder_, WhenHeld::refuse, kLong_s, 0.01);
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
  const Lease lease(folder_, WhenHeld::refuse, 0.01, kLong_s);
  EXPECT_TRUE(comes_true([&] { return holder() && holder()->renewals >= 2; }));
  std::filesystem::remove(folder_ / "lease.json");
  EXPECT_TRUE(comes_true([&] { return is_ours(); })) << "a deleted lease is not written again";
}

TEST_F(LeaseTest, TakingAwayPutsBackWhatChangedMeanwhile) {
  const LeaseHolder h = elsewhere(0, 1, 1);
  put("lease.json", h.to_text());
  const LeaseFile file(folder_);
  file.break_stale("what it read before", "me");
  EXPECT_EQ(file.read(), h.to_text());
  file.break_stale(h.to_text(), "me");
  EXPECT_FALSE(file.read());
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace ebb::checkpoint

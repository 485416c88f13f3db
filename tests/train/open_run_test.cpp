// SPDX-License-Identifier: Apache-2.0
#include "train/open_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include "base/error.h"
#include "support/folder_test.h"
#include "support/test_world.h"

namespace ebb::train {
namespace {

constexpr double kLong_s = 3600;

// The number of opens of a split, of its current objects, and the maximum of the latter.
struct Opens {
  std::atomic<int> count{0}, now{0}, most{0};
};

class CountedDataset final : public data::Dataset {
 public:
  explicit CountedDataset(Opens& opens) : opens_(opens) {
    // First `now`: an observer of `count` sees this object as open.
    const int now = ++opens_.now;
    opens_.most = std::max(opens_.most.load(), now);
    ++opens_.count;
  }
  ~CountedDataset() override { --opens_.now; }
  CountedDataset(const CountedDataset&) = delete;
  CountedDataset& operator=(const CountedDataset&) = delete;
  [[nodiscard]] std::int64_t size() const override { return 100; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  void read(std::int64_t, data::SampleBytes) override {}

 private:
  Opens& opens_;
  core::SampleSpec spec_{{core::label_field()}};
};

struct NoKeys {
  void describe(config::Section&) {}
};

models::Families families() {
  models::Family family;
  family.name = "labels";
  family.reads = {std::string(core::kLabelField)};
  family.new_config = [] { return std::make_unique<models::FamilyConfigOf<NoKeys>>(); };
  return {family};
}

// All ranks open a run in rank 0's folder.
class OpenRun : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    data::Format format;
    format.name = "counted";
    format.fields = {std::string(core::kLabelField)};
    format.open = [this](const data::DataConfig&, const data::SplitRequest& request) {
      if (damaged_) throw Error(ExitCode::data, "damaged");
      if (raised_ != 0) std::raise(raised_);
      return std::make_unique<CountedDataset>(request.split == "train" ? train_ : test_);
    };
    config_.data.formats = {format};
    config_.data.format = "counted";
    config_.data.batch = 8;
    config_.run.name = "run";
    config_.run.dir = world_.gather_to_all(folder_.string(), 60)[0];
    config_.parallel.timeout_s = 60;
  }
  // Another run's lease, on rank 0.
  [[nodiscard]] std::unique_ptr<checkpoint::Lease> other_run() const {
    if (world_.rank() != 0) return nullptr;
    return checkpoint::Lease::acquire_if_free(config_.run.folder(), kLong_s, kLong_s);
  }
  [[nodiscard]] ExitCode code_of_opening() const {
    const StopRequest stop;
    try {
      (void)open_run(config_, world_, stop);
    } catch (const Error& error) {
      return error.code();
    }
    return ExitCode::ok;
  }

  comm::World& world_ = test::test_world();
  Opens train_, test_;
  bool damaged_ = false;
  int raised_ = 0;  // a signal that arrives while a split is opened
  Config config_{Registries{families(), data::builtin_formats()}};
};

TEST_F(OpenRun, AFreeFolderIsTakenAndEachSplitIsOpenedOnce) {
  const StopRequest stop;
  const OpenedRun run = open_run(config_, world_, stop);
  EXPECT_EQ(run.lease != nullptr, world_.rank() == 0);
  ASSERT_TRUE(run.splits.train);
  ASSERT_TRUE(run.splits.test);
  for (const Opens* opens : {&train_, &test_}) {
    EXPECT_EQ(opens->count.load(), 1);
    EXPECT_EQ(opens->now.load(), 1);
  }
}

TEST_F(OpenRun, DamagedDataIsReportedBeforeTheLeaseIsTaken) {
  damaged_ = true;
  EXPECT_EQ(code_of_opening(), ExitCode::data);
  EXPECT_FALSE(std::filesystem::exists(config_.run.folder()));
}

TEST_F(OpenRun, DamagedDataIsReportedWithoutAWait) {
  const auto other = other_run();
  damaged_ = true;
  EXPECT_EQ(code_of_opening(), ExitCode::data);
}

TEST_F(OpenRun, AStopThatComesAfterTheEndHasNoEffect) {
  const auto before = std::signal(SIGUSR1, SIG_DFL);
  {
    const StopRequest stop;
  }
  EXPECT_EQ(std::raise(SIGUSR1), 0);
  EXPECT_EQ(std::signal(SIGUSR1, before), SIG_IGN);
}

TEST_F(OpenRun, ASignalDuringTheOpeningStopsTheStartBeforeTheLease) {
  raised_ = SIGTERM;
  EXPECT_EQ(code_of_opening(), ExitCode::stopped);
  EXPECT_EQ(train_.now.load(), 0);
  EXPECT_FALSE(std::filesystem::exists(config_.run.folder()));
}

TEST_F(OpenRun, AHeldFolderIsRefused) {
  const auto other = other_run();
  config_.run.when_held = checkpoint::WhenHeld::refuse;
  EXPECT_EQ(code_of_opening(), ExitCode::usage);
  EXPECT_EQ(train_.count.load(), 1);
  EXPECT_EQ(train_.now.load(), 0);
}

TEST_F(OpenRun, TheDataIsClosedDuringTheWaitAndOpenedAgain) {
  std::unique_ptr<checkpoint::Lease> other = other_run();
  const auto other_run_ends = std::async(std::launch::async, [&] {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while ((train_.count == 0 || train_.now > 0) && std::chrono::steady_clock::now() < limit)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    other.reset();
  });
  const StopRequest stop;
  const OpenedRun run = open_run(config_, world_, stop);
  EXPECT_EQ(run.lease != nullptr, world_.rank() == 0);
  for (const Opens* opens : {&train_, &test_}) {
    EXPECT_EQ(opens->count.load(), 2);
    EXPECT_EQ(opens->most.load(), 1) << "it was open during the wait";
    EXPECT_EQ(opens->now.load(), 1);
  }
}

}  // namespace
}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>

#include "base/digest.h"
#include "checkpoint/test_run.h"

namespace ebb::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Two checkpoints, of steps 10 and 20. Damage to the second must leave the first usable.
class DamageTest : public SharedFolder {
 protected:
  void SetUp() override {
    SharedFolder::SetUp();
    auto s = store();
    s.save(10, first_.parts(), configuration_with("0.1"));
    s.save(20, second_.parts(), configuration_with("0.1"));
  }
  void expect_first_is_used(const std::string& because) {
    warnings_.clear();
    auto s = store();
    const auto found = s.newest(warn_);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->step, 10);
    if (is_first()) {
      EXPECT_THAT(warnings_, AllOf(HasSubstr("step-00000020"), HasSubstr(because)));
    }
    FakeRun loaded(9);
    s.load(*found, loaded.parts());
    EXPECT_TRUE(same_bits(first_, loaded));
  }
  // With its correct hash.
  static void set_version(const std::filesystem::path& folder, int version) {
    auto manifest = nlohmann::json::parse(contents(folder / kManifestName));
    manifest["version"] = version;
    const std::string text = manifest.dump();
    overwrite(folder / kManifestName, text);
    overwrite(folder / kDoneName, "manifest.json xxh3 " + digest_hex(text) + "\n");
  }
  FakeRun first_{1}, second_{2};
};

TEST_F(DamageTest, AFlippedBitInAnyFileIsFound) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(step(20))) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_EQ(files.size(), static_cast<std::size_t>(test_world().size()) + 2);
  for (const auto& file : files) {
    const std::string sound = contents(file);
    for (const std::size_t at : {std::size_t{0}, sound.size() / 2, sound.size() - 1}) {
      on_first([&] {
        std::string damaged = sound;
        damaged[at] = static_cast<char>(damaged[at] ^ 4);
        overwrite(file, damaged);
      });
      SCOPED_TRACE(file.string() + " byte " + std::to_string(at));
      expect_first_is_used("");
    }
    on_first([&] { overwrite(file, sound); });
  }
  EXPECT_EQ(store().newest(warn_)->step, 20);
}

TEST_F(DamageTest, AMissingShardIsFound) {
  on_first([&] { std::filesystem::remove(step(20) / "shard-00000.safetensors"); });
  expect_first_is_used("shard-00000.safetensors is missing");
}

TEST_F(DamageTest, AShortShardIsFound) {
  on_first([&] {
    const auto shard = step(20) / "shard-00000.safetensors";
    std::filesystem::resize_file(shard, std::filesystem::file_size(shard) - 1);
  });
  expect_first_is_used("bytes instead of");
}

TEST_F(DamageTest, WithoutDoneItWasNeverFinished) {
  on_first([&] { std::filesystem::remove(step(20) / "DONE"); });
  expect_first_is_used("no DONE marker");
}

TEST_F(DamageTest, WhereNoneIsWholeTheRunDoesNotSilentlyStartAnew) {
  on_first([&] {
    for (const int n : {10, 20}) std::filesystem::remove(step(n) / "DONE");
  });
  auto s = store();
  const auto outcome = outcome_of([&] { (void)s.newest(warn_); });
  EXPECT_EQ(outcome.code, ExitCode::checkpoint);
  EXPECT_EQ(outcome_of([&] { (void)read_part(run_, "model"); }).code, ExitCode::checkpoint);
  if (is_first()) {
    EXPECT_THAT(outcome.message,
                AllOf(HasSubstr("step-00000010"), HasSubstr("step-00000020"), HasSubstr("run.name=")));
  }
}

TEST_F(DamageTest, AFolderWithTheNameOfAnotherStepIsRefused) {
  on_first([&] { std::filesystem::rename(step(20), step(30)); });
  auto s = store();
  const auto found = s.newest(warn_);
  ASSERT_EQ(found->step, 30);
  const auto outcome = outcome_of([&] { (void)s.load(*found, first_.parts()); });
  EXPECT_EQ(outcome.code, ExitCode::checkpoint);
  if (is_first()) {
    EXPECT_THAT(outcome.message, HasSubstr("its folder is of step 30, and its manifest of step 20"));
  }
}

TEST_F(DamageTest, ALaterFormatIsRefusedWithBothVersions) {
  on_first([&] { set_version(step(20), 9); });
  auto s = store();
  const auto outcome = outcome_of([&] { (void)s.newest(warn_); });
  EXPECT_EQ(outcome.code, ExitCode::checkpoint);
  if (is_first()) {
    EXPECT_THAT(outcome.message, AllOf(HasSubstr("version 9"), HasSubstr("up to version 2")));
  }
  EXPECT_EQ(outcome_of([&] { (void)read_part(run_, "model"); }).code, ExitCode::checkpoint);
}

TEST_F(DamageTest, AFormatBelowTheFirstIsDamage) {
  on_first([&] { set_version(step(20), 0); });
  expect_first_is_used("format version 0");
}

TEST_F(DamageTest, WhatAKilledSaveLeftIsIgnoredAndRemoved) {
  const auto partial = partial_folder(run_ / "checkpoints", 30);
  on_first([&] {
    std::filesystem::create_directories(partial);
    overwrite(partial / "shard-00000.safetensors", "half");
  });
  EXPECT_EQ(read_part(run_, "model").step, 20);
  auto s = store();
  EXPECT_EQ(s.newest(warn_)->step, 20);
  EXPECT_FALSE(std::filesystem::exists(partial));
}

TEST_F(DamageTest, AReplacementThatWasKilledBetweenItsRenamesIsUndone) {
  on_first([&] { std::filesystem::rename(step(20), step(20).string() + ".replaced"); });
  auto s = store();
  EXPECT_EQ(s.newest(warn_)->step, 20);
}

TEST_F(DamageTest, AFullDiskLeavesTheCheckpointBeforeWhole) {
  const auto disk = run_ / "disk";
  std::string why;
  on_first([&] {
    std::filesystem::create_directories(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=2m") != 0) why = std::strerror(errno);
  });
  why = test_world().gather_to_all(why, kTimeout_s)[0];
  if (!why.empty()) GTEST_SKIP() << "a small file system cannot be mounted here: " << why;
  {
    Store s(disk, CheckpointConfig(), test_world(), kTimeout_s);
    s.save(10, first_.parts(), configuration_with("0.1"));
    FakeRun large(3);
    large.model.held.tensors["large"] = at::zeros({4 << 20}, at::kByte);
    const auto outcome = outcome_of([&] { s.save(20, large.parts(), configuration_with("0.1")); });
    EXPECT_EQ(outcome.code, ExitCode::storage);
    if (is_first()) {
      EXPECT_THAT(outcome.message, HasSubstr("No space left"));
    }
    meet();
    EXPECT_FALSE(std::filesystem::exists(partial_folder(disk / "checkpoints", 20)))
        << "it still fills the disk";
    Store again(disk, CheckpointConfig(), test_world(), kTimeout_s);
    const auto found = again.newest(warn_);
    EXPECT_EQ(found->step, 10);
    FakeRun loaded(9);
    again.load(*found, loaded.parts());
    EXPECT_TRUE(same_bits(first_, loaded));
  }
  on_first([&] { EXPECT_EQ(::umount(disk.c_str()), 0); });
}

}  // namespace
}  // namespace ebb::checkpoint

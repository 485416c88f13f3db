// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "checkpoint/partition.h"
#include "checkpoint/test_run.h"

namespace ebb::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using StoreTest = SharedFolder;

std::vector<std::int64_t> steps_in(const std::filesystem::path& run) {
  std::vector<std::int64_t> steps;
  for (const auto& found : list_checkpoints(run / "checkpoints")) steps.push_back(found.step);
  return steps;
}

TEST_F(StoreTest, LoadsWhatWasSavedToTheBit) {
  FakeRun saved(7), other(8);
  auto s = store();
  s.save(500, saved.parts(), configuration_with("0.1"));
  const auto found = s.newest(warn_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->step, 500);
  ASSERT_FALSE(same_bits(saved, other));
  EXPECT_EQ(s.load(*found, other.parts()), 500);
  EXPECT_TRUE(same_bits(saved, other));
  EXPECT_EQ(other.model.restored, saved.model.held.values);
  EXPECT_EQ(other.optimizer.restored, saved.optimizer.held.values);
  EXPECT_EQ(warnings_, "");
}

TEST_F(StoreTest, LoadingFillsTensorsInPlaceAndKeepsTheirAutogradVersion) {
  FakeRun saved(7), other(8);
  auto s = store();
  s.save(1, saved.parts(), configuration_with("0.1"));
  const auto tensor = other.model.held.tensors.at("layer0.weight");
  const void* before = tensor.data_ptr();
  const auto version = tensor._version();
  s.load(*s.newest(warn_), other.parts());
  EXPECT_EQ(other.model.held.tensors.at("layer0.weight").data_ptr(), before);
  EXPECT_EQ(tensor._version(), version);
  EXPECT_TRUE(tensor.requires_grad());
}

TEST_F(StoreTest, EveryRankWritesOneShardAndDoneIsTheMarker) {
  FakeRun saved(7);
  store().save(3, saved.parts(), configuration_with("0.1"));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(step(3))) ++files;
  EXPECT_EQ(files, static_cast<std::size_t>(test_world().size()) + 2);
  EXPECT_TRUE(std::filesystem::exists(step(3) / "DONE"));
  EXPECT_FALSE(std::filesystem::exists(partial_folder(run_ / "checkpoints", 3)));
}

TEST_F(StoreTest, ThereIsNothingNewestInANewFolder) {
  auto s = store();
  EXPECT_FALSE(s.newest(warn_));
}

TEST_F(StoreTest, KeepsTheNewestAndDeletesOlder) {
  FakeRun saved(7);
  auto s = store(2);
  for (const int n : {10, 20, 30, 40}) s.save(n, saved.parts(), configuration_with("0.1"));
  meet();
  EXPECT_THAT(steps_in(run_), ElementsAre(40, 30));
}

TEST_F(StoreTest, DamagedLaterFoldersDoNotPushOutTheOnlyWholeOne) {
  FakeRun saved(7);
  auto s = store(1);
  on_first([&] { std::filesystem::create_directories(step(900)); });
  s.save(10, saved.parts(), configuration_with("0.1"));
  EXPECT_EQ(s.newest(warn_)->step, 10);
}

TEST_F(StoreTest, SavingAStepAgainReplacesIt) {
  FakeRun first(7), second(8), loaded(9);
  auto s = store();
  s.save(10, first.parts(), configuration_with("0.1"));
  s.save(10, second.parts(), configuration_with("0.1"));
  s.load(*s.newest(warn_), loaded.parts());
  EXPECT_TRUE(same_bits(second, loaded));
  EXPECT_THAT(steps_in(run_), ElementsAre(10));
}

TEST_F(StoreTest, ReadsAPartWithoutARun) {
  FakeRun saved(7);
  store().save(12, saved.parts(), configuration_with("0.1"));
  for (const auto& path : {run_, step(12)}) {
    const LoadedPart loaded = read_part(path, "model");
    EXPECT_EQ(loaded.step, 12);
    EXPECT_EQ(loaded.resolved_config, "optimizer: {lr: 0.1}\n");
    EXPECT_EQ(loaded.values, saved.model.held.values);
    ASSERT_EQ(loaded.tensors.size(), saved.model.held.tensors.size());
    for (const auto& [name, tensor] : saved.model.held.tensors)
      EXPECT_TRUE(same_bits(loaded.tensors.at(name), tensor)) << name;
  }
  const auto outcome = outcome_of([&] { (void)read_part(run_, "ema"); });
  EXPECT_EQ(outcome.code, ExitCode::checkpoint);
  EXPECT_THAT(outcome.message, HasSubstr("it has model, optimizer"));
}

TEST_F(StoreTest, ListsEveryTensorThatIsOfAnotherModel) {
  FakeRun saved(7), other(8);
  auto s = store();
  s.save(5, saved.parts(), configuration_with("0.1"));
  auto& tensors = other.model.held.tensors;
  tensors["extra.bias"] = at::zeros({3});
  tensors.erase("layer1.weight");
  tensors["layer2.weight"] = at::zeros({2, 2}, at::kHalf);
  tensors["layer3.weight"] = tensors["layer3.weight"].to(at::kFloat);
  const auto found = *s.newest(warn_);
  const auto outcome = outcome_of([&] { s.load(found, other.parts()); });
  EXPECT_EQ(outcome.code, ExitCode::checkpoint);
  if (!is_first()) return;
  EXPECT_THAT(
      outcome.message,
      AllOf(HasSubstr("model/extra.bias F32 [3] is not in the checkpoint"),
            HasSubstr("model/layer1.weight F16 [9, 5] is in the checkpoint, but not in the run"),
            HasSubstr("model/layer2.weight is F16 [10, 5] in the checkpoint, F16 [2, 2] in the run"),
            HasSubstr("model/layer3.weight is F16 [11, 5] in the checkpoint, F32 [11, 5] in the run")));
}

TEST_F(StoreTest, RefusesADifferentComputationUnlessForced) {
  FakeRun saved(7), other(8);
  auto s = store();
  s.save(5, saved.parts(), configuration_with("0.1"));
  const auto found = *s.newest(warn_);
  const auto outcome = outcome_of([&] { s.require_compatible(found, configuration_with("0.2")); });
  EXPECT_EQ(outcome.code, ExitCode::usage);
  EXPECT_THAT(outcome.message,
              AllOf(HasSubstr("optimizer.lr: saved with 0.1, now 0.2"), ::testing::Not(HasSubstr("run.seed")),
                    HasSubstr("checkpoint.resume=never run.name="), HasSubstr("checkpoint.resume=force")));
  EXPECT_NO_THROW(s.require_compatible(found, configuration_with("0.1")));
  auto forced = store(10, Resume::force);
  EXPECT_NO_THROW(forced.require_compatible(found, configuration_with("0.2")));
  EXPECT_EQ(forced.load(found, other.parts()), 5);
  EXPECT_TRUE(same_bits(saved, other));
}

TEST_F(StoreTest, NeverRefusesAFolderThatHoldsCheckpoints) {
  FakeRun saved(7);
  EXPECT_FALSE(store(3, Resume::never).newest(warn_));
  store().save(5, saved.parts(), configuration_with("0.1"));
  auto never = store(3, Resume::never);
  EXPECT_EQ(outcome_of([&] { (void)never.newest(warn_); }).code, ExitCode::usage);
}

TEST_F(StoreTest, OneRanksFailureIsEveryRanks) {
  FakeRun saved(7);
  auto s = store();
  s.save(5, saved.parts(), configuration_with("0.1"));
  const int last = test_world().size() - 1;
  saved.optimizer.broken = test_world().rank() == last;
  const auto outcome = outcome_of([&] { s.save(6, saved.parts(), configuration_with("0.1")); });
  EXPECT_EQ(outcome.code, ExitCode::memory);
  // Only the rank that failed reports it.
  EXPECT_THAT(outcome.message,
              HasSubstr(test_world().rank() == last ? "this part is broken" : "another rank has reported"));
  EXPECT_EQ(s.newest(warn_)->step, 5);
}

TEST_F(StoreTest, RanksThatHoldOtherTensorsAreRefused) {
  if (test_world().size() == 1) GTEST_SKIP() << "needs two ranks";
  FakeRun saved(7);
  if (test_world().rank() == 1) saved.model.held.tensors["own"] = at::zeros({2});
  auto s = store();
  EXPECT_EQ(outcome_of([&] { s.save(6, saved.parts(), configuration_with("0.1")); }).code,
            ExitCode::communication);
  EXPECT_FALSE(s.newest(warn_));
}

TEST(Partition, SpreadsBytesEvenlyAndTheSameForAnyOrder) {
  EXPECT_THAT(partition({{"a", 10}, {"b", 90}, {"c", 50}, {"d", 40}}, 2), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(partition({{"d", 40}, {"c", 50}, {"b", 90}, {"a", 10}}, 2), ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(partition({{"a", 5}}, 4), ElementsAre(0));
}

}  // namespace
}  // namespace ebb::checkpoint

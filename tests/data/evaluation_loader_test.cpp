// SPDX-License-Identifier: Apache-2.0
#include "data/evaluation_loader.h"

#include "data/fixtures.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::data {
namespace {

using namespace testing;

std::unique_ptr<EvaluationLoader> make(std::int64_t samples, std::int64_t global_batch, int rank = 0,
                                       int ranks = 1) {
  return std::make_unique<EvaluationLoader>(std::make_unique<FakeDataset>(samples),
                                            EvaluationPlan{global_batch, rank, ranks, false});
}

TEST(EvaluationLoader, AllRanksTogetherReadEverySampleOnceInOrder) {
  for (const std::int64_t samples : {1, 7, 32, 33, 64}) {
    for (const int ranks : {1, 2, 3, 4}) {
      std::vector<int> times(static_cast<std::size_t>(samples));
      std::int64_t calls = -1;
      for (int rank = 0; rank < ranks; ++rank) {
        auto loader = make(samples, 16, rank, ranks);
        std::int64_t mine = 0;
        while (const auto batch = loader->next()) {
          EXPECT_EQ(batch->step, mine);
          EXPECT_EQ(batch->global_batch, std::min<std::int64_t>(16, samples - 16 * mine));
          EXPECT_EQ(batch->field(core::kImageField).size(0), batch->ids.size(0));
          for (std::int64_t i = 0; i < batch->size(); ++i) {
            const std::int64_t id = batch->ids.const_data_ptr<std::int64_t>()[i];
            EXPECT_EQ(id, batch->position + i);
            const auto* bytes =
                static_cast<const std::byte*>(batch->field(core::kImageField).const_data_ptr());
            expect_pixels({bytes + 6 * i, 6}, id);
            ++times[static_cast<std::size_t>(id)];
          }
          ++mine;
        }
        EXPECT_EQ(mine, loader->batches());
        if (calls < 0) calls = mine;
        EXPECT_EQ(mine, calls) << "rank " << rank << " of " << ranks;
      }
      EXPECT_EQ(times, std::vector<int>(static_cast<std::size_t>(samples), 1)) << samples << " on " << ranks;
    }
  }
}

// So no rank takes the time and the memory of a part of a full batch.
TEST(EvaluationLoader, AShortBatchIsSharedEvenly) {
  for (const auto& [samples, sizes] : {std::pair{23, std::vector<std::int64_t>{8, 4}}, {6, {3}}}) {
    for (const int rank : {0, 1}) {
      auto loader = make(samples, 16, rank, 2);
      std::vector<std::int64_t> found;
      while (const auto batch = loader->next()) found.push_back(batch->size());
      EXPECT_EQ(found.front(), sizes.front()) << samples << " on rank " << rank;
      EXPECT_EQ(found.back(), sizes.back() - (samples == 23 && rank == 1 ? 1 : 0)) << samples;
    }
  }
  EXPECT_EQ((EvaluationPlan{16, 0, 2}.rank_part(6)), 3);
  EXPECT_EQ((EvaluationPlan{16, 0, 2}.rank_part(100)), 8);
}

TEST(EvaluationLoader, ARankMayHaveAnEmptyPart) {
  auto loader = make(17, 16, 1, 2);
  (void)loader->next();
  const auto last = loader->next();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->field(core::kImageField).sizes(), (at::IntArrayRef{0, 1, 2, 3}));
  EXPECT_EQ(last->ids.numel(), 0);
  EXPECT_EQ(last->global_batch, 1);
  EXPECT_FALSE(loader->next().has_value());
}

TEST(EvaluationLoader, StartsAgainWithoutNewMemory) {
  memory::Ledger& ledger = *memory::installed();
  auto loader = make(40, 16);
  const std::int64_t before = ledger.live_total(memory::Ledger::Location::host);
  for (int round = 0; round < 3; ++round) {
    std::int64_t samples = 0;
    while (const auto batch = loader->next()) samples += batch->size();
    EXPECT_EQ(samples, 40);
    loader->restart();
  }
  EXPECT_EQ(ledger.live_total(memory::Ledger::Location::host), before);
}

TEST(EvaluationLoader, HoldingTwoBatchesIsAnError) {
  auto loader = make(64, 16);
  const auto first = loader->next();
  auto second = loader->next();
  expect_error(ExitCode::internal, {"held"}, [&] { (void)loader->next(); });
  second.reset();
  EXPECT_EQ(loader->next()->position, 32);
}

TEST(EvaluationLoader, AReadErrorLosesNoSlot) {
  EvaluationLoader loader(std::make_unique<FakeDataset>(64, 20), EvaluationPlan{16, 0, 1, false});
  (void)loader.next();
  for (int k = 0; k < 4; ++k) {
    expect_error(ExitCode::data, {"sample 20 is damaged"}, [&] { (void)loader.next(); });
  }
}

TEST(EvaluationLoader, RefusesARankOutsideOfTheWorld) {
  expect_error(ExitCode::usage, {"rank 2 of 2"}, [] { (void)make(10, 4, 2, 2); });
}

}  // namespace
}  // namespace ebb::data

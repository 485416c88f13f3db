// SPDX-License-Identifier: Apache-2.0
#include "data/loader.h"

#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "data/counting_format.h"
#include "data/fixtures.h"
#include "data/open.h"
#include "data/sampler.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::data {
namespace {

using namespace testing;

std::vector<std::int64_t> ids_of(const core::Batch& batch) {
  const auto* ids = batch.ids.const_data_ptr<std::int64_t>();
  return {ids, ids + batch.ids.numel()};
}

void expect_images_fit_ids(const core::Batch& batch) {
  const auto ids = ids_of(batch);
  const auto* bytes = static_cast<const std::byte*>(batch.field(core::kImageField).const_data_ptr());
  for (std::size_t i = 0; i < ids.size(); ++i) expect_pixels({bytes + 6 * i, 6}, ids[i]);
}

LoaderPlan plan_of(std::int64_t global_batch, std::int64_t micro_batches = 1, int rank = 0, int ranks = 1) {
  LoaderPlan plan;
  plan.global_batch = global_batch;
  plan.micro_batches = micro_batches;
  plan.rank = rank;
  plan.ranks = ranks;
  plan.seed = 11;
  return plan;
}

std::unique_ptr<Loader> make(std::int64_t samples, const LoaderPlan& plan, std::int64_t first_step = 0) {
  return std::make_unique<Loader>(std::make_unique<FakeDataset>(samples), plan, first_step);
}

TEST(Loader, SkippedBatchesMoveThePositionAndNotTheStep) {
  LoaderPlan plan = plan_of(12);
  plan.batches_per_step = 2;
  auto whole = make(100, plan, 0);
  plan.skipped_batches = 3;
  auto loader = make(100, plan, 4);
  for (int skipped = 0; skipped < 11; ++skipped) (void)whole->next();
  for (std::int64_t k = 0; k < 4; ++k) {
    const core::Batch batch = loader->next();
    EXPECT_EQ(batch.step, 4 + k / 2);
    EXPECT_EQ(batch.position, (4 * 2 + 3 + k) * 12);
    EXPECT_EQ(ids_of(batch), ids_of(whole->next()));
  }
}

TEST(Loader, ABatchHasThePlannedShapesAndPositions) {
  auto loader = make(100, plan_of(12, 3), 4);
  for (std::int64_t k = 0; k < 6; ++k) {
    const core::Batch batch = loader->next();
    EXPECT_EQ(batch.field(core::kImageField).sizes(), (at::IntArrayRef{4, 1, 2, 3}));
    EXPECT_EQ(batch.field(core::kImageField).scalar_type(), at::kByte);
    EXPECT_EQ(batch.ids.sizes(), at::IntArrayRef{4});
    EXPECT_EQ(batch.ids.scalar_type(), at::kLong);
    EXPECT_EQ(batch.step, 4 + k / 3);
    EXPECT_EQ(batch.position, 48 + 4 * k);
    EXPECT_EQ(batch.global_batch, 12);
    EXPECT_EQ(batch.size(), 4);
    expect_images_fit_ids(batch);
  }
  EXPECT_EQ(loader->samples(), 100);
  EXPECT_EQ(loader->spec(), kSmallImages);
}

// On any number of ranks, step s is stream[s*G, (s+1)*G), and a rank's samples are consecutive.
TEST(Loader, AnyNumberOfRanksReadsTheSameSamplesInTheSameOrder) {
  constexpr std::int64_t kSamples = 50;  // epochs end inside of steps
  constexpr std::int64_t kGlobal = 24;
  constexpr std::int64_t kSteps = 7;
  const Sampler sampler(kSamples, 11, true);
  for (const int ranks : {1, 2, 4}) {
    for (const std::int64_t micro : {1, 2, 3}) {
      std::map<std::int64_t, std::int64_t> id_at;  // position -> id
      for (int rank = 0; rank < ranks; ++rank) {
        auto loader = make(kSamples, plan_of(kGlobal, micro, rank, ranks));
        for (std::int64_t k = 0; k < kSteps * micro; ++k) {
          const core::Batch batch = loader->next();
          EXPECT_EQ(batch.step, k / micro);
          EXPECT_EQ(batch.size(), kGlobal / micro / ranks);
          EXPECT_GE(batch.position, batch.step * kGlobal);
          EXPECT_LT(batch.position, (batch.step + 1) * kGlobal);
          const auto ids = ids_of(batch);
          for (std::size_t i = 0; i < ids.size(); ++i) {
            const auto [at, fresh] = id_at.emplace(batch.position + static_cast<std::int64_t>(i), ids[i]);
            EXPECT_TRUE(fresh) << "position " << at->first << " read twice";
          }
        }
      }
      ASSERT_EQ(static_cast<std::int64_t>(id_at.size()), kSteps * kGlobal);
      for (const auto& [position, id] : id_at)
        EXPECT_EQ(id, sampler.sample_at(position)) << ranks << " ranks";
    }
  }
}

TEST(Loader, AMicroBatchIsConsecutiveOverTheRanks) {
  for (int rank = 0; rank < 4; ++rank) {
    auto loader = make(1000, plan_of(24, 2, rank, 4));
    EXPECT_EQ(loader->next().position, 3 * rank);
    EXPECT_EQ(loader->next().position, 12 + 3 * rank);
    EXPECT_EQ(loader->next().position, 24 + 3 * rank);
  }
}

TEST(Loader, StartingAtAStepGivesWhatReadingToItGives) {
  auto whole = make(70, plan_of(16, 2, 1, 2));
  for (int k = 0; k < 2 * 9; ++k) (void)whole->next();
  auto resumed = make(70, plan_of(16, 2, 1, 2), 9);
  for (int k = 0; k < 10; ++k) {
    const core::Batch a = whole->next();
    const core::Batch b = resumed->next();
    EXPECT_EQ(ids_of(a), ids_of(b));
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.position, b.position);
    EXPECT_TRUE(a.field(core::kImageField).equal(b.field(core::kImageField)));
  }
}

TEST(Loader, AnEpochIsEverySampleOnce) {
  auto loader = make(60, plan_of(20));
  std::set<std::int64_t> seen;
  for (int k = 0; k < 3; ++k) {
    for (const std::int64_t id : ids_of(loader->next())) EXPECT_TRUE(seen.insert(id).second);
  }
  EXPECT_EQ(seen.size(), 60U);
}

TEST(Loader, ADatasetSmallerThanABatchContinuesWithTheNextEpochs) {
  auto loader = make(3, plan_of(8));
  const core::Batch batch = loader->next();
  const auto ids = ids_of(batch);
  EXPECT_EQ(std::set<std::int64_t>(ids.begin(), ids.begin() + 3).size(), 3U);
  EXPECT_EQ(std::set<std::int64_t>(ids.begin() + 3, ids.begin() + 6).size(), 3U);
  expect_images_fit_ids(batch);
}

TEST(Loader, UnshuffledReadsAsStored) {
  LoaderPlan plan = plan_of(4);
  plan.shuffle = false;
  auto loader = make(6, plan);
  EXPECT_EQ(ids_of(loader->next()), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(ids_of(loader->next()), (std::vector<std::int64_t>{4, 5, 0, 1}));
}

TEST(Loader, SlotsAreAllocatedOnce) {
  memory::Ledger& ledger = *memory::installed();
  const auto data_bytes = [&] {
    return ledger.live(memory::Ledger::Location::host)[static_cast<std::size_t>(memory::Class::data)];
  };
  const std::int64_t before = data_bytes();
  LoaderPlan plan = plan_of(32);
  plan.prefetch = 3;
  auto loader = make(1000, plan);
  const std::int64_t with_slots = data_bytes();
  EXPECT_EQ(with_slots - before, loader->all_slots_bytes());
  EXPECT_EQ(loader->all_slots_bytes(), 4 * (32 * 6 + 32 * 8));
  const auto all = [&] {
    const auto sums = ledger.live(memory::Ledger::Location::host);
    return std::vector<std::int64_t>(sums.begin(), sums.end());
  };
  const auto steady = all();
  for (int k = 0; k < 100; ++k) {
    const core::Batch batch = loader->next();
    ASSERT_EQ(all(), steady) << "batch " << k;
  }
  loader.reset();
  EXPECT_EQ(data_bytes(), before);
}

TEST(Loader, ABatchOutlivesTheLoader) {
  memory::Ledger& ledger = *memory::installed();
  const std::int64_t before = ledger.live_total(memory::Ledger::Location::host);
  auto loader = make(100, plan_of(8));
  core::Batch batch = loader->next();
  loader.reset();
  expect_images_fit_ids(batch);
  batch.fields.clear();
  EXPECT_GT(ledger.live_total(memory::Ledger::Location::host), before);  // the ids still view the slot
  batch.ids.reset();
  EXPECT_EQ(ledger.live_total(memory::Ledger::Location::host), before);
}

TEST(Loader, HoldingABatchDoesNotStopTheNext) {
  LoaderPlan plan = plan_of(4);
  plan.prefetch = 1;
  auto loader = make(100, plan);
  core::Batch held = loader->next();
  for (int k = 0; k < 20; ++k) {
    core::Batch next = loader->next();
    expect_images_fit_ids(held);  // its slot was not written into
    expect_images_fit_ids(next);
    held = std::move(next);
  }
}

TEST(Loader, AStepOfSeveralBatchesTakesThemOneAfterAnother) {
  constexpr std::int64_t kGlobal = 8, kBatches = 3, kFirst = 2;
  LoaderPlan plan = plan_of(kGlobal, 2);
  plan.batches_per_step = kBatches;
  auto loader = make(100, plan, kFirst);
  for (std::int64_t k = 0; k < 2 * kBatches * 2; ++k) {
    const core::Batch batch = loader->next();
    EXPECT_EQ(batch.step, kFirst + k / (2 * kBatches));
    EXPECT_EQ(batch.position, kFirst * kBatches * kGlobal + 4 * k);
    EXPECT_EQ(batch.global_batch, kGlobal);
  }
}

TEST(Loader, ACallerMayHoldAsManyBatchesAsItPlans) {
  LoaderPlan plan = plan_of(4);
  plan.prefetch = 1;
  plan.held = 3;
  auto loader = make(100, plan);
  std::vector<core::Batch> held;
  for (int k = 0; k < 20; ++k) {
    if (held.size() == 3) held.erase(held.begin());
    held.push_back(loader->next());
    for (const core::Batch& batch : held) expect_images_fit_ids(batch);
  }
  EXPECT_EQ(loader->all_slots_bytes(), 4 * (64 + 4 * 8))
      << "the samples of a slot are rounded up to 64 bytes";
}

TEST(Loader, HoldingAllBatchesIsAnErrorAndNoDeadlock) {
  LoaderPlan plan = plan_of(4);
  plan.prefetch = 2;
  auto loader = make(100, plan);
  std::vector<core::Batch> held;
  for (int k = 0; k < 3; ++k) held.push_back(loader->next());
  expect_error(ExitCode::internal, {"all 3 batches"}, [&] { (void)loader->next(); });
  held.pop_back();
  expect_images_fit_ids(loader->next());
}

TEST(Loader, ABatchMayBeDroppedByAnotherThread) {
  LoaderPlan plan = plan_of(4);
  plan.prefetch = 1;
  auto loader = make(100, plan);
  for (int k = 0; k < 50; ++k) {
    std::thread dropper([batch = loader->next()]() mutable { batch = {}; });
    dropper.join();
  }
}

TEST(Loader, AReadErrorIsThrownInPlaceOfItsBatch) {
  LoaderPlan plan = plan_of(4);
  plan.shuffle = false;
  Loader loader(std::make_unique<FakeDataset>(100, 9), plan, 0);
  expect_images_fit_ids(loader.next());
  expect_images_fit_ids(loader.next());
  for (int k = 0; k < 2; ++k) {
    expect_error(ExitCode::data, {"sample 9 is damaged"}, [&] { (void)loader.next(); });
  }
}

TEST(Loader, MayBeDestroyedAtAnyMoment) {
  for (int taken = 0; taken < 6; ++taken) {
    LoaderPlan plan = plan_of(8);
    plan.prefetch = 2;
    auto loader = make(100, plan);
    for (int k = 0; k < taken; ++k) (void)loader->next();
  }
  // It waits for a slot here, since none is freed while these are held.
  LoaderPlan plan = plan_of(8);
  plan.prefetch = 1;
  auto loader = make(100, plan);
  std::vector<core::Batch> held;
  held.push_back(loader->next());
  held.push_back(loader->next());
  loader.reset();
  expect_images_fit_ids(held[1]);
}

// An image and the sample's index as its label.
class LabelledDataset final : public FakeDataset {
 public:
  using FakeDataset::FakeDataset;
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  void read(std::int64_t index, SampleBytes out) override {
    FakeDataset::read(index, out.first(1));
    ASSERT_EQ(out[1].size(), sizeof index);
    std::memcpy(out[1].data(), &index, sizeof index);
  }

 private:
  core::SampleSpec spec_{{core::image_field(1, 2, 3), core::label_field()}};
};

TEST(Loader, EachFieldIsATensorOfItsOwnShapeAndType) {
  Loader loader(std::make_unique<LabelledDataset>(100), plan_of(5), 0);
  EXPECT_EQ(loader.all_slots_bytes(),
            5 * (64 + 64 + 5 * 8));  // 30 and 40 bytes in multiples of 64, and the ids
  for (int k = 0; k < 40; ++k) {
    const core::Batch batch = loader.next();
    ASSERT_EQ(batch.fields.size(), 2U);
    const at::Tensor& label = batch.field(core::kLabelField);
    EXPECT_EQ(label.sizes(), at::IntArrayRef{5});
    EXPECT_EQ(label.scalar_type(), at::kLong);
    EXPECT_TRUE(label.equal(batch.ids));
    EXPECT_TRUE(batch.field(core::kImageField).is_contiguous());
    expect_images_fit_ids(batch);
  }
  expect_error(ExitCode::internal, {"no field tokens", "image, label"},
               [&] { (void)loader.next().field(core::kTokensField); });
}

TEST(LoaderPlan, RefusesWhatDoesNotDivide) {
  expect_error(ExitCode::usage, {"data.batch is 30", "4 ranks x 2", "24 or 32"},
               [] { (void)plan_of(30, 2, 0, 4).rank_micro_batch(); });
  expect_error(ExitCode::usage, {"data.batch is 3", "set it to 4"},
               [] { (void)plan_of(3, 1, 0, 4).rank_micro_batch(); });
  expect_error(ExitCode::usage, {"are invalid"}, [] { (void)plan_of(8, 0).rank_micro_batch(); });
  expect_error(ExitCode::usage, {"rank 2 of 2"}, [] { (void)plan_of(8, 1, 2, 2).rank_micro_batch(); });
  EXPECT_EQ(plan_of(24, 2, 3, 4).rank_micro_batch(), 3);
}

// Through a registry of the test.
TEST(Loader, ReadsAFormatThatOnlyTheTestKnows) {
  const Formats formats = {counting_format()};
  DataConfig data(formats);
  data.context = 30;
  Loader loader(open(data, "train", {"tokens", "label"}), plan_of(20), 0);
  EXPECT_EQ(loader.samples(), 100);
  for (int k = 0; k < 12; ++k) {
    const core::Batch batch = loader.next();
    EXPECT_TRUE(batch.field(core::kLabelField).equal(batch.ids + 30));
    EXPECT_TRUE(batch.field(core::kTokensField).narrow(1, 1, 1).flatten().equal(batch.ids.to(at::kInt) + 30));
  }
  expect_error(ExitCode::usage, {"counting provides no image"},
               [&] { (void)open(data, "train", {"image"}); });
}

// A field that was not requested takes no memory.
TEST(Loader, SlotsHoldTheRequestedFieldsAlone) {
  Scratch dir;
  write_split(dir / "train", 500, "zstd", 1500);
  DataConfig data(builtin_formats());
  data.source = dir.path().string();
  memory::Ledger& ledger = *memory::installed();
  const std::int64_t before = ledger.live_total(memory::Ledger::Location::host);
  Loader images(open(data, "train", {"image"}), plan_of(32), 0);
  EXPECT_EQ(images.all_slots_bytes(), 5 * (192 + 256));
  EXPECT_GT(ledger.live_total(memory::Ledger::Location::host) - before,
            images.all_slots_bytes());  // the cache as well
  Loader both(open(data, "train", {"image", "label"}), plan_of(32), 0);
  EXPECT_EQ(both.all_slots_bytes(), 5 * (192 + 256 + 256));
}

TEST(Loader, ReadsAnMdsFolder) {
  Scratch dir;
  for (const char* compression : {"none", "zstd"}) {
    write_split(dir / compression, 500, compression, 1500);
    Loader loader(open_mds(dir / compression), plan_of(50), 0);
    for (int k = 0; k < 12; ++k) expect_images_fit_ids(loader.next());
  }
}

}  // namespace
}  // namespace ebb::data

int main(int argc, char** argv) {
  ebb::memory::install(*new ebb::memory::Ledger);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// The World of a run and what its ranks agree on: started by mpirun with 1, 2 and 4 ranks.
#include "comm/world.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/error.h"
#include "comm/agree.h"
#include "comm/world_under_test.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::comm {
namespace {

using testing::HasSubstr;
constexpr double kPatience_s = 60;

int rank() {
  return world->rank();
}
int size() {
  return world->size();
}

TEST(World, EveryRankHasAPlaceOnItsHost) {
  std::set<std::string> places;
  for (const std::string& place :
       world->gather_to_all(world->host() + ":" + std::to_string(world->local_rank()), kPatience_s))
    places.insert(place);
  EXPECT_EQ(places.size(), static_cast<std::size_t>(size()));
  EXPECT_LT(world->local_rank(), world->local_size());
  EXPECT_LE(world->local_size(), size());
}

// 64 bytes travel in the first message, longer texts in one of their own.
TEST(World, GathersTextsOfEveryLengthInRankOrder) {
  const std::vector<std::size_t> lengths = {0, 1, 63, 64, 65, 100'000};
  for (std::size_t shift = 0; shift < lengths.size(); ++shift) {
    const auto text_of = [&](int r) {
      return std::string(lengths[(shift + static_cast<std::size_t>(r)) % lengths.size()],
                         static_cast<char>('a' + r));
    };
    const std::vector<std::string> texts = world->gather_to_all(text_of(rank()), kPatience_s);
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(size()));
    for (int r = 0; r < size(); ++r)
      EXPECT_EQ(texts[static_cast<std::size_t>(r)], text_of(r)) << "shift " << shift;
  }
}

TEST(World, TextsMayHoldAnyByte) {
  const std::string text({'a', '\0', '\xff', static_cast<char>(rank()), '\0'});
  EXPECT_EQ(world->gather_to_all(text, kPatience_s).back(),
            std::string({'a', '\0', '\xff', static_cast<char>(size() - 1), '\0'}));
}

TEST(World, TheLargestNumberOfAllIsKnownToAll) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(world->max_of_all(rank() * 10, kPatience_s), (size() - 1) * 10);
  EXPECT_EQ(world->max_of_all(-1 - rank(), kPatience_s), -1);
  EXPECT_EQ(world->max_of_all(kLeast, kPatience_s), kLeast);
  EXPECT_EQ(world->max_of_all(rank() == 0 ? kMost : 0, kPatience_s), kMost);
}

TEST(World, TakesTheNumberOfRanksThatIsExpected) {
  EXPECT_NO_THROW(world->expect_ranks(0));
  EXPECT_NO_THROW(world->expect_ranks(size()));
}

TEST(World, AnotherNumberOfRanksIsRefusedWithBothAndTheLikelyCause) {
  try {
    world->expect_ranks(7);
    FAIL() << "7 ranks were expected";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::communication);
    EXPECT_THAT(error.what(), HasSubstr("7 ranks are expected"));
    EXPECT_THAT(error.what(), HasSubstr(std::to_string(size()) + " were started"));
    EXPECT_THAT(error.what(), HasSubstr(size() == 1 ? "do not see each other" : "-np"));
  }
}

TEST(Agree, PassesWhereNoRankFails) {
  int runs = 0;
  EXPECT_NO_THROW(agree(*world, kPatience_s, [&] { ++runs; }));
  EXPECT_EQ(runs, 1);
}

// The error of the lowest rank that failed is the one that is told; `failing` is the first of them.
void expect_agreement(int failing) {
  try {
    agree(*world, kPatience_s, [&] {
      if (rank() >= failing) throw Error(rank() == failing ? ExitCode::data : ExitCode::storage, "mine");
    });
    FAIL() << "it passed on rank " << rank();
  } catch (const ReportedElsewhere& error) {
    EXPECT_NE(rank(), failing);
    EXPECT_EQ(error.code(), ExitCode::data);
  } catch (const Error& error) {
    EXPECT_EQ(rank(), failing);
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_STREQ(error.what(), "mine");
  }
}

TEST(Agree, TheLowestRankThatFailedThrowsItsOwnErrorAndTheOthersThatItIsReported) {
  for (int failing = 0; failing < size(); ++failing) expect_agreement(failing);
}

TEST(Agree, AnyExceptionEndsTheWaitOfTheOthers) {
  const bool fails = rank() == size() - 1;
  const auto agreed = [&] {
    agree(*world, kPatience_s, [&] {
      if (fails) throw std::out_of_range("no such thing");
    });
  };
  if (fails) {
    EXPECT_THROW(agreed(), std::out_of_range);
  } else {
    EXPECT_THROW(agreed(), ReportedElsewhere);
  }
}

TEST(Agree, WhoFailsInAnAgreementWithinAnotherSpeaksInBoth) {
  const bool fails = rank() == size() - 1;
  std::string told;
  try {
    agree(*world, kPatience_s, [&] {
      agree(*world, kPatience_s, [&] {
        if (fails) throw Error(ExitCode::storage, "mine");
      });
    });
  } catch (const ReportedElsewhere& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    told = "elsewhere";
  } catch (const Error& error) {
    told = error.what();
  }
  EXPECT_EQ(told, fails ? "mine" : "elsewhere");
}

TEST(Agree, GathersWhatEachRankReturned) {
  const auto all =
      gather_from_all(*world, kPatience_s, [&] { return "7 of rank " + std::to_string(rank()); });
  ASSERT_EQ(static_cast<int>(all.size()), size());
  for (int r = 0; r < size(); ++r) {
    EXPECT_EQ(all[static_cast<std::size_t>(r)], "7 of rank " + std::to_string(r));
  }
}

TEST(Agree, IsFollowedByFurtherAgreements) {
  expect_agreement(size() - 1);
  EXPECT_EQ(world->max_of_all(rank(), kPatience_s), size() - 1);
}

ExitCode code_of(const std::function<void()>& action, const std::string& text) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(text));
    return error.code();
  }
  return ExitCode::ok;
}

TEST(MakeCommunicator, TakesSingleForOneRankAndMpiForSeveral) {
  const auto made = make_communicator(*world, Backend::automatic, kPatience_s, at::kCPU);
  EXPECT_EQ(made->backend(), size() == 1 ? "single" : "mpi");
  EXPECT_EQ(made->rank(), rank());
  EXPECT_EQ(made->size(), size());
}

TEST(MakeCommunicator, RefusesNcclForTensorsInHostMemory) {
  EXPECT_EQ(code_of([] { (void)make_communicator(*world, Backend::nccl, kPatience_s, at::kCPU); },
                    "parallel.backend=nccl"),
            ExitCode::usage);
}

TEST(MakeCommunicator, RefusesMpiForTensorsOnAGpu) {
  const at::Device gpu(at::kCUDA, 0);
  EXPECT_EQ(code_of([&] { (void)make_communicator(*world, Backend::mpi, kPatience_s, gpu); },
                    "parallel.backend=nccl"),
            ExitCode::usage);
}

TEST(MakeCommunicator, RefusesSingleForSeveralRanks) {
  const ExitCode code =
      code_of([] { (void)make_communicator(*world, Backend::single, kPatience_s, at::kCPU); },
              std::to_string(size()) + " were started");
  EXPECT_EQ(code, size() == 1 ? ExitCode::ok : ExitCode::usage);
}

}  // namespace
}  // namespace ebb::comm

int main(int argc, char** argv) {
  ebb::memory::install(*new ebb::memory::Ledger);
  const ebb::comm::World world(argc, argv);
  ebb::comm::world = &world;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

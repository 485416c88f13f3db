// SPDX-License-Identifier: Apache-2.0
// Tests World and the agreements of its ranks. mpirun starts it with 1, 2 and 4 ranks.
#include "comm/world.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/error.h"
#include "comm/run_on_all_ranks.h"
#include "comm/world_under_test.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"

namespace ebb::comm {
namespace {

using testing::HasSubstr;
constexpr double kTimeout_s = 60;

int rank() {
  return world->rank();
}
int size() {
  return world->size();
}

TEST(World, EveryRankHasItsOwnLocalRank) {
  std::set<std::string> places;
  for (const std::string& place :
       world->gather_to_all(world->host() + ":" + std::to_string(world->local_rank()), kTimeout_s))
    places.insert(place);
  EXPECT_EQ(places.size(), static_cast<std::size_t>(size()));
  EXPECT_LT(world->local_rank(), world->local_size());
  EXPECT_LE(world->local_size(), size());
}

// A text of up to 64 bytes is sent in the notice, a longer one in a message of its own.
TEST(World, GathersTextsOfEveryLengthInRankOrder) {
  const std::vector<std::size_t> lengths = {0, 1, 63, 64, 65, 100'000};
  for (std::size_t shift = 0; shift < lengths.size(); ++shift) {
    const auto text_of = [&](int r) {
      return std::string(lengths[(shift + static_cast<std::size_t>(r)) % lengths.size()],
                         static_cast<char>('a' + r));
    };
    const std::vector<std::string> texts = world->gather_to_all(text_of(rank()), kTimeout_s);
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(size()));
    for (int r = 0; r < size(); ++r)
      EXPECT_EQ(texts[static_cast<std::size_t>(r)], text_of(r)) << "shift " << shift;
  }
}

TEST(World, TextsMayContainAnyByte) {
  const std::string text({'a', '\0', '\xff', static_cast<char>(rank()), '\0'});
  EXPECT_EQ(world->gather_to_all(text, kTimeout_s).back(),
            std::string({'a', '\0', '\xff', static_cast<char>(size() - 1), '\0'}));
}

TEST(World, AllRanksGetTheMaximum) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(world->max_of_all(rank() * 10, kTimeout_s), (size() - 1) * 10);
  EXPECT_EQ(world->max_of_all(-1 - rank(), kTimeout_s), -1);
  EXPECT_EQ(world->max_of_all(kMin, kTimeout_s), kMin);
  EXPECT_EQ(world->max_of_all(rank() == 0 ? kMax : 0, kTimeout_s), kMax);
}

TEST(World, AcceptsTheExpectedNumberOfRanks) {
  EXPECT_NO_THROW(world->expect_ranks(0));
  EXPECT_NO_THROW(world->expect_ranks(size()));
}

TEST(World, RefusesAnotherNumberOfRanksWithBothNumbersAndTheLikelyCause) {
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

TEST(Agree, PassesIfNoRankFails) {
  int runs = 0;
  EXPECT_NO_THROW(run_on_all_ranks(*world, kTimeout_s, [&] { ++runs; }));
  EXPECT_EQ(runs, 1);
}

// Ranks from `failing` on fail. Only the error of the lowest failing rank is reported.
void expect_agreement(int failing) {
  try {
    run_on_all_ranks(*world, kTimeout_s, [&] {
      if (rank() >= failing) throw Error(rank() == failing ? ExitCode::data : ExitCode::storage, "mine");
    });
    FAIL() << "it passed on rank " << rank();
  } catch (const RemoteError& error) {
    EXPECT_NE(rank(), failing);
    EXPECT_EQ(error.code(), ExitCode::data);
  } catch (const Error& error) {
    EXPECT_EQ(rank(), failing);
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_STREQ(error.what(), "mine");
  }
}

TEST(Agree, TheLowestFailingRankThrowsItsOwnErrorAndTheOthersARemoteError) {
  for (int failing = 0; failing < size(); ++failing) expect_agreement(failing);
}

TEST(Agree, AnyExceptionEndsTheWaitOfTheOthers) {
  const bool fails = rank() == size() - 1;
  const auto agreed = [&] {
    run_on_all_ranks(*world, kTimeout_s, [&] {
      if (fails) throw std::out_of_range("no such thing");
    });
  };
  if (fails) {
    EXPECT_THROW(agreed(), std::out_of_range);
  } else {
    EXPECT_THROW(agreed(), RemoteError);
  }
}

TEST(Agree, ARankThatFailsInAnInnerAgreementReportsInTheOuterOne) {
  const bool fails = rank() == size() - 1;
  std::string reported;
  try {
    run_on_all_ranks(*world, kTimeout_s, [&] {
      run_on_all_ranks(*world, kTimeout_s, [&] {
        if (fails) throw Error(ExitCode::storage, "mine");
      });
    });
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    reported = "elsewhere";
  } catch (const Error& error) {
    reported = error.what();
  }
  EXPECT_EQ(reported, fails ? "mine" : "elsewhere");
}

TEST(Agree, GathersTheResultOfEachRank) {
  const auto all = gather_from_all(*world, kTimeout_s, [&] { return "7 of rank " + std::to_string(rank()); });
  ASSERT_EQ(static_cast<int>(all.size()), size());
  for (int r = 0; r < size(); ++r) {
    EXPECT_EQ(all[static_cast<std::size_t>(r)], "7 of rank " + std::to_string(r));
  }
}

TEST(Agree, FurtherAgreementsWorkAfterAFailure) {
  expect_agreement(size() - 1);
  EXPECT_EQ(world->max_of_all(rank(), kTimeout_s), size() - 1);
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

TEST(MakeCommunicator, SelectsSingleForOneRankAndMpiForSeveral) {
  const auto made = make_communicator(*world, Backend::automatic, kTimeout_s, at::kCPU);
  EXPECT_EQ(made->backend(), size() == 1 ? "single" : "mpi");
  EXPECT_EQ(made->rank(), rank());
  EXPECT_EQ(made->size(), size());
}

TEST(MakeCommunicator, RefusesNcclForTensorsInHostMemory) {
  EXPECT_EQ(code_of([] { (void)make_communicator(*world, Backend::nccl, kTimeout_s, at::kCPU); },
                    "parallel.backend=nccl"),
            ExitCode::usage);
}

TEST(MakeCommunicator, RefusesMpiForTensorsOnAGpu) {
  const at::Device gpu(at::kCUDA, 0);
  EXPECT_EQ(code_of([&] { (void)make_communicator(*world, Backend::mpi, kTimeout_s, gpu); },
                    "parallel.backend=nccl"),
            ExitCode::usage);
}

TEST(MakeCommunicator, RefusesSingleForSeveralRanks) {
  const ExitCode code =
      code_of([] { (void)make_communicator(*world, Backend::single, kTimeout_s, at::kCPU); },
              std::to_string(size()) + " were started");
  EXPECT_EQ(code, size() == 1 ? ExitCode::ok : ExitCode::usage);
}

TEST(MakeCommunicator, ItsErrorsNameTheStageOfALateRank) {
  if (size() == 1) GTEST_SKIP() << "needs a rank that is late";
  constexpr double kShortTimeout_s = 1;
  const memory::StageScope stage(*ledger, memory::Stage::backward);
  const auto communicator = make_communicator(*world, Backend::mpi, kShortTimeout_s, at::kCPU);
  communicator->barrier("epoch 3");
  std::string message;
  try {
    if (rank() < size() - 1) communicator->barrier("epoch 4");
  } catch (const Error& error) {
    message = error.what();
  }
  (void)world->gather_to_all("", kTimeout_s);  // the late rank keeps its communicator until then
  const bool late = rank() == size() - 1;
  EXPECT_EQ(message.empty(), late);
  if (late) return;
  EXPECT_THAT(message,
              HasSubstr("its last operation was barrier \"epoch 3\" (number 1, from stage backward)"));
}

}  // namespace
}  // namespace ebb::comm

int main(int argc, char** argv) {
  ebb::comm::ledger = new ebb::memory::Ledger;
  ebb::memory::install(*ebb::comm::ledger);
  ebb::comm::World world(argc, argv);
  world.report_stages_of(*ebb::comm::ledger);
  ebb::comm::world = &world;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

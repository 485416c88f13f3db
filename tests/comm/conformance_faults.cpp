// What becomes of a collective that not every rank starts, starts alike or lets end. An error breaks its
// communicator, so that each test breaks one of its own.
#include <thread>

#include "comm/conformance.h"

namespace ebb::comm {
namespace {

using testing::HasSubstr;

class ConformanceFaults : public Conformance {
 protected:
  void TearDown() override {
    if (IsSkipped()) return;
    meet();
    communicator_.reset();
    communicator_ = GetParam().make(kPatience_s);
    const at::Tensor one = to_device(at::ones({1}, at::kFloat));
    communicator_->all_reduce(one, "on a new communicator");
    EXPECT_EQ(one.item<float>(), static_cast<float>(size()));
  }
  Collective collective(Kind kind, const std::string& label) {
    Collective made;
    made.kind = kind;
    made.label = label;
    made.input = to_device(at::ones({64}, at::kFloat));
    if (kind == Kind::all_gather) made.output = to_device(at::zeros({64 * size()}, at::kFloat));
    if (kind == Kind::reduce_scatter) {
      made.input = to_device(at::ones({64 * size()}, at::kFloat));
      made.output = to_device(at::zeros({64}, at::kFloat));
    }
    if (kind == Kind::barrier) made.input = at::Tensor();
    return made;
  }
  std::string failure(const std::function<void()>& action) {
    return error_of(ExitCode::communication, action);
  }
  std::string failure_of(const Collective& c) {
    return failure([&] { communicator_->start(c)->wait(); });
  }
};
INSTANTIATE_TEST_SUITE_P(Every, ConformanceFaults, testing::ValuesIn(subjects()), name_of);

// No test of these where there is one rank.
class ConformanceOfSeveralRanks : public ConformanceFaults {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConformanceOfSeveralRanks);
INSTANTIATE_TEST_SUITE_P(Every, ConformanceOfSeveralRanks,
                         testing::ValuesIn(world->size() > 1 ? subjects() : std::vector<Subject>{}), name_of);

TEST_P(ConformanceFaults, NothingPassesAfterAnAbort) {
  communicator_->abort("the disk is full");
  for (const Kind kind : {Kind::all_reduce, Kind::barrier})
    EXPECT_THAT(failure_of(collective(kind, "too late")), HasSubstr("the disk is full"));
}

TEST_P(ConformanceFaults, TheFirstReasonOfAnAbortStays) {
  communicator_->abort("the disk is full");
  communicator_->abort("the run ends");
  EXPECT_THAT(failure_of(collective(Kind::all_reduce, "too late")), HasSubstr("the disk is full"));
}

TEST_P(ConformanceOfSeveralRanks, ALateRankIsNamed) {
  for (const Kind kind :
       {Kind::all_reduce, Kind::reduce_scatter, Kind::all_gather, Kind::broadcast, Kind::barrier}) {
    communicator_ = GetParam().make(kShort_s);
    if (!last()) {
      const std::string message = failure_of(collective(kind, "gradients decoder"));
      EXPECT_THAT(message, HasSubstr("\"gradients decoder\" (number 1, "));
      EXPECT_THAT(message, HasSubstr("rank " + std::to_string(size() - 1) + " ("));
      EXPECT_THAT(message, HasSubstr("has not started it, its last was nothing yet"));
    }
    meet();
  }
}

TEST_P(ConformanceOfSeveralRanks, TheLastThingThatALateRankStartedIsNamed) {
  communicator_ = GetParam().make(kShort_s);
  communicator_->barrier("epoch 3");
  if (last()) return;
  EXPECT_THAT(failure_of(collective(Kind::all_reduce, "loss")),
              HasSubstr("its last was barrier \"epoch 3\" (number 1, from stage setup)"));
}

TEST_P(ConformanceOfSeveralRanks, ARankThatComesAfterTheOthersGaveUpIsToldSo) {
  communicator_ = GetParam().make(kShort_s);
  if (!last()) failure_of(collective(Kind::all_reduce, "gradients"));
  meet();
  if (!last()) return;
  EXPECT_THAT(failure_of(collective(Kind::all_reduce, "gradients")), HasSubstr("gave up"));
}

TEST_P(ConformanceOfSeveralRanks, WhatIsQueuedBehindAFailureFailsToo) {
  communicator_ = GetParam().make(kShort_s);
  if (last()) return;
  std::vector<std::unique_ptr<Work>> works;
  for (int i = 0; i < 3; ++i)
    works.push_back(communicator_->start(collective(Kind::all_reduce, "bucket " + std::to_string(i))));
  for (const auto& work : works) EXPECT_THAT(failure([&] { work->wait(); }), HasSubstr("\"bucket 0\""));
  EXPECT_THAT(failure_of(collective(Kind::barrier, "afterwards")), HasSubstr("\"bucket 0\""));
}

TEST_P(ConformanceOfSeveralRanks, SizesThatDifferAreBothNamed) {
  Collective c = collective(Kind::all_reduce, "gradients");
  c.input = to_device(at::ones({last() ? 1001 : 1000}, at::kFloat));
  const std::string message = failure_of(c);
  EXPECT_THAT(message, HasSubstr("the ranks disagree"));
  EXPECT_THAT(message, HasSubstr("1000 elements"));
  EXPECT_THAT(message, HasSubstr("1001 elements"));
  EXPECT_THAT(message, HasSubstr("rank " + std::to_string(size() - 1) + " ("));
}

TEST_P(ConformanceOfSeveralRanks, LargeTensorsWhoseSizesDifferMoveNothing) {
  Collective c = collective(Kind::broadcast, "weights");
  c.input = to_device(at::zeros({last() ? 3'000'001 : 3'000'000}, at::kFloat));
  if (rank() == 0) c.input.fill_(1);
  EXPECT_THAT(failure_of(c), HasSubstr("3000001 elements"));
  EXPECT_EQ(c.input.sum().item<float>(), rank() == 0 ? 3'000'000 : 0);
}

TEST_P(ConformanceOfSeveralRanks, DifferentCollectivesAreBothNamed) {
  const std::string message = failure_of(last() ? collective(Kind::barrier, "epoch 3")
                                                : collective(Kind::all_reduce, "gradients decoder"));
  EXPECT_THAT(message, HasSubstr("all_reduce \"gradients decoder\""));
  EXPECT_THAT(message, HasSubstr("barrier \"epoch 3\""));
}

TEST_P(ConformanceOfSeveralRanks, AnotherOrderIsNoticed) {
  const char* const labels[] = {"bucket 0", "bucket 1"};
  const auto first = communicator_->start(collective(Kind::all_reduce, labels[last() ? 1 : 0]));
  const auto second = communicator_->start(collective(Kind::all_reduce, labels[last() ? 0 : 1]));
  const std::string message = failure([&] { first->wait(); });
  EXPECT_THAT(message, HasSubstr("\"bucket 0\""));
  EXPECT_THAT(message, HasSubstr("\"bucket 1\""));
  failure([&] { second->wait(); });
}

TEST_P(ConformanceOfSeveralRanks, DifferentDtypesOpsAndRootsAreNoticed) {
  for (const int what : {0, 1, 2}) {
    communicator_ = GetParam().make(kPatience_s);
    Collective c = collective(what == 2 ? Kind::broadcast : Kind::all_reduce, "settings");
    if (last() && what == 0) c.input = c.input.to(at::kInt);
    if (last() && what == 1) c.op = ReduceOp::max;
    if (last() && what == 2) c.root = 1;
    EXPECT_THAT(failure_of(c), HasSubstr("the ranks disagree")) << what;
    meet();
  }
}

TEST_P(ConformanceOfSeveralRanks, AnAbortEndsAWaitOnEveryRank) {
  if (!last()) {
    const auto work = communicator_->start(collective(Kind::all_reduce, "gradients"));
    std::thread stopper;
    if (rank() == 0) stopper = std::thread([&] { communicator_->abort("told to stop"); });
    const std::string message = failure([&] { work->wait(); });
    if (stopper.joinable()) stopper.join();
    EXPECT_THAT(message, HasSubstr("told to stop"));
    EXPECT_THAT(message, HasSubstr("rank 0 ("));
  }
}

// The communicator ends while others still hold messages for it.
TEST_P(ConformanceOfSeveralRanks, OneThatFailedWithALargeTensorUnderWayCanBeLeft) {
  communicator_ = GetParam().make(kShort_s);
  Collective c = collective(Kind::all_reduce, "large");
  c.input = to_device(at::ones({4'000'000}, at::kFloat));
  if (!last()) failure_of(c);
  meet();
  if (last()) failure_of(c);
}

TEST_P(ConformanceOfSeveralRanks, ACommunicatorThatNotAllRanksMakeIsAnError) {
  if (!last()) failure([&] { (void)GetParam().make(kShort_s); });
  meet();
  // The last one joins late: the others' part of the making is done, but they have gone.
  if (last()) failure([&] { (void)GetParam().make(kShort_s); });
}

}  // namespace
}  // namespace ebb::comm

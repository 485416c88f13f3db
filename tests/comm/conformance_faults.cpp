// SPDX-License-Identifier: Apache-2.0
// Collectives that a rank does not start, starts differently or aborts. An error breaks its
// communicator, so each test has a communicator of its own.
#include <thread>

#include "comm/conformance.h"

namespace ebb::comm {
namespace {

using testing::HasSubstr;

class ConformanceFaults : public Conformance {
 protected:
  void TearDown() override {
    if (IsSkipped()) return;
    synchronise();
    communicator_.reset();
    communicator_ = GetParam().make(kTimeout_s);
    const at::Tensor one = to_device(at::ones({1}, at::kFloat));
    communicator_->all_reduce(one, "on a new communicator");
    EXPECT_EQ(one.item<float>(), static_cast<float>(size()));
  }
  Collective collective(CollectiveKind kind, const std::string& label) {
    Collective made;
    made.kind = kind;
    made.label = label;
    made.input = to_device(at::ones({64}, at::kFloat));
    if (kind == CollectiveKind::all_gather) made.output = to_device(at::zeros({64 * size()}, at::kFloat));
    if (kind == CollectiveKind::reduce_scatter) {
      made.input = to_device(at::ones({64 * size()}, at::kFloat));
      made.output = to_device(at::zeros({64}, at::kFloat));
    }
    if (kind == CollectiveKind::barrier) made.input = at::Tensor();
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

// These tests need several ranks.
class ConformanceOfSeveralRanks : public ConformanceFaults {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConformanceOfSeveralRanks);
INSTANTIATE_TEST_SUITE_P(Every, ConformanceOfSeveralRanks,
                         testing::ValuesIn(world->size() > 1 ? subjects() : std::vector<Subject>{}), name_of);

TEST_P(ConformanceFaults, NoCollectiveRunsAfterAnAbort) {
  communicator_->abort("the disk is full");
  for (const CollectiveKind kind : {CollectiveKind::all_reduce, CollectiveKind::barrier})
    EXPECT_THAT(failure_of(collective(kind, "too late")), HasSubstr("the disk is full"));
}

TEST_P(ConformanceFaults, KeepsTheFirstReasonOfAnAbort) {
  communicator_->abort("the disk is full");
  communicator_->abort("the run ends");
  EXPECT_THAT(failure_of(collective(CollectiveKind::all_reduce, "too late")), HasSubstr("the disk is full"));
}

TEST_P(ConformanceOfSeveralRanks, ALateRankIsNamed) {
  for (const CollectiveKind kind :
       {CollectiveKind::all_reduce, CollectiveKind::reduce_scatter, CollectiveKind::all_gather,
        CollectiveKind::broadcast, CollectiveKind::barrier}) {
    communicator_ = GetParam().make(kShortTimeout_s);
    if (!last()) {
      const std::string message = failure_of(collective(kind, "gradients decoder"));
      EXPECT_THAT(message, HasSubstr("\"gradients decoder\" (number 1, "));
      EXPECT_THAT(message, HasSubstr("rank " + std::to_string(size() - 1) + " ("));
      EXPECT_THAT(message, HasSubstr("has not started it; its last operation was nothing yet"));
    }
    synchronise();
  }
}

TEST_P(ConformanceOfSeveralRanks, TheLastOperationOfALateRankIsNamed) {
  communicator_ = GetParam().make(kShortTimeout_s);
  communicator_->barrier("epoch 3");
  if (last()) return;
  EXPECT_THAT(failure_of(collective(CollectiveKind::all_reduce, "loss")),
              HasSubstr("its last operation was barrier \"epoch 3\" (number 1, from stage setup)"));
}

TEST_P(ConformanceOfSeveralRanks, ALateRankLearnsThatTheOthersGaveUp) {
  communicator_ = GetParam().make(kShortTimeout_s);
  if (!last()) failure_of(collective(CollectiveKind::all_reduce, "gradients"));
  synchronise();
  if (!last()) return;
  EXPECT_THAT(failure_of(collective(CollectiveKind::all_reduce, "gradients")), HasSubstr("gave up"));
}

TEST_P(ConformanceOfSeveralRanks, QueuedCollectivesFailAfterAFailure) {
  communicator_ = GetParam().make(kShortTimeout_s);
  if (last()) return;
  std::vector<std::unique_ptr<Work>> works;
  for (int i = 0; i < 3; ++i)
    works.push_back(
        communicator_->start(collective(CollectiveKind::all_reduce, "bucket " + std::to_string(i))));
  for (const auto& work : works) EXPECT_THAT(failure([&] { work->wait(); }), HasSubstr("\"bucket 0\""));
  EXPECT_THAT(failure_of(collective(CollectiveKind::barrier, "afterwards")), HasSubstr("\"bucket 0\""));
}

TEST_P(ConformanceOfSeveralRanks, DifferentSizesAreBothNamed) {
  Collective c = collective(CollectiveKind::all_reduce, "gradients");
  c.input = to_device(at::ones({last() ? 1001 : 1000}, at::kFloat));
  const std::string message = failure_of(c);
  EXPECT_THAT(message, HasSubstr("the ranks disagree"));
  EXPECT_THAT(message, HasSubstr("1000 elements"));
  EXPECT_THAT(message, HasSubstr("1001 elements"));
  EXPECT_THAT(message, HasSubstr("rank " + std::to_string(size() - 1) + " ("));
}

TEST_P(ConformanceOfSeveralRanks, LargeTensorsOfDifferentSizesAreNotTransferred) {
  Collective c = collective(CollectiveKind::broadcast, "weights");
  c.input = to_device(at::zeros({last() ? 3'000'001 : 3'000'000}, at::kFloat));
  if (rank() == 0) c.input.fill_(1);
  EXPECT_THAT(failure_of(c), HasSubstr("3000001 elements"));
  EXPECT_EQ(c.input.sum().item<float>(), rank() == 0 ? 3'000'000 : 0);
}

TEST_P(ConformanceOfSeveralRanks, DifferentCollectivesAreBothNamed) {
  const std::string message =
      failure_of(last() ? collective(CollectiveKind::barrier, "epoch 3")
                        : collective(CollectiveKind::all_reduce, "gradients decoder"));
  EXPECT_THAT(message, HasSubstr("all_reduce \"gradients decoder\""));
  EXPECT_THAT(message, HasSubstr("barrier \"epoch 3\""));
}

TEST_P(ConformanceOfSeveralRanks, ADifferentOrderIsDetected) {
  const char* const labels[] = {"bucket 0", "bucket 1"};
  const auto first = communicator_->start(collective(CollectiveKind::all_reduce, labels[last() ? 1 : 0]));
  const auto second = communicator_->start(collective(CollectiveKind::all_reduce, labels[last() ? 0 : 1]));
  const std::string message = failure([&] { first->wait(); });
  EXPECT_THAT(message, HasSubstr("\"bucket 0\""));
  EXPECT_THAT(message, HasSubstr("\"bucket 1\""));
  failure([&] { second->wait(); });
}

TEST_P(ConformanceOfSeveralRanks, DifferentDtypesOpsAndRootsAreDetected) {
  for (const int what : {0, 1, 2}) {
    communicator_ = GetParam().make(kTimeout_s);
    Collective c = collective(what == 2 ? CollectiveKind::broadcast : CollectiveKind::all_reduce, "settings");
    if (last() && what == 0) c.input = c.input.to(at::kInt);
    if (last() && what == 1) c.op = ReduceOp::max;
    if (last() && what == 2) c.root = 1;
    EXPECT_THAT(failure_of(c), HasSubstr("the ranks disagree")) << what;
    synchronise();
  }
}

TEST_P(ConformanceOfSeveralRanks, AnAbortEndsAWaitOnEveryRank) {
  if (!last()) {
    const auto work = communicator_->start(collective(CollectiveKind::all_reduce, "gradients"));
    std::thread stopper;
    if (rank() == 0) stopper = std::thread([&] { communicator_->abort("stop requested"); });
    const std::string message = failure([&] { work->wait(); });
    if (stopper.joinable()) stopper.join();
    EXPECT_THAT(message, HasSubstr("stop requested"));
    EXPECT_THAT(message, HasSubstr("rank 0 ("));
  }
}

// The communicator is destroyed while other ranks still hold messages for it.
TEST_P(ConformanceOfSeveralRanks, CanBeDestroyedAfterAFailureDuringALargeTransfer) {
  communicator_ = GetParam().make(kShortTimeout_s);
  Collective c = collective(CollectiveKind::all_reduce, "large");
  c.input = to_device(at::ones({4'000'000}, at::kFloat));
  if (!last()) failure_of(c);
  synchronise();
  if (last()) failure_of(c);
}

TEST_P(ConformanceOfSeveralRanks, ACommunicatorThatNotAllRanksMakeIsAnError) {
  if (!last()) failure([&] { (void)GetParam().make(kShortTimeout_s); });
  synchronise();
  // The last rank joins late, after the others have left.
  if (last()) failure([&] { (void)GetParam().make(kShortTimeout_s); });
}

}  // namespace
}  // namespace ebb::comm

// SPDX-License-Identifier: Apache-2.0
// The results of every Communicator for valid collectives.
#include "comm/conformance.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace ebb::comm {

at::Tensor Conformance::values(int of, at::ScalarType dtype, std::int64_t count, std::uint64_t salt) {
  at::Generator generator = at::detail::createCPUGenerator(salt * 1000 + static_cast<std::uint64_t>(of) + 1);
  if (at::isIntegralType(dtype, false)) return at::empty({count}, dtype).random_(generator);
  const at::Tensor sizes = at::randint(-8, 4, {count}, generator, at::kDouble);
  return (at::randn({count}, generator, at::kDouble) * sizes.exp2()).to(dtype);
}

at::Tensor Conformance::expected_sum(at::ScalarType dtype, std::int64_t count, std::uint64_t salt) const {
  const bool narrow = dtype == at::kHalf || dtype == at::kBFloat16;
  at::Tensor sum = values(0, dtype, count, salt).to(narrow ? at::kFloat : dtype);
  for (int r = 1; r < size(); ++r) sum = sum + values(r, dtype, count, salt).to(sum.scalar_type());
  return sum.to(dtype);
}

std::string Conformance::error_of(ExitCode code, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no Error";
  return "";
}

testing::AssertionResult same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.cpu().contiguous(), y = b.cpu().contiguous();
  if (x.scalar_type() != y.scalar_type() || x.numel() != y.numel())
    return testing::AssertionFailure()
           << x.toString() << " of " << x.numel() << " elements and " << y.toString() << " of " << y.numel();
  if (x.numel() == 0 || std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0)
    return testing::AssertionSuccess();
  const at::Tensor differ = x.view({-1}).view(at::kByte).ne(y.view({-1}).view(at::kByte)).nonzero();
  const std::int64_t i = differ[0].item<std::int64_t>() / x.element_size();
  return testing::AssertionFailure() << "element " << i << " of " << x.numel() << " " << x.toString() << ": "
                                     << x.view({-1})[i].item<double>() << " and "
                                     << y.view({-1})[i].item<double>();
}

std::string name_of(const testing::TestParamInfo<Subject>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Every, Conformance, testing::ValuesIn(subjects()), name_of);

TEST_P(Conformance, ReportsItsRankSizeAndBackend) {
  EXPECT_EQ(rank(), world->rank());
  EXPECT_EQ(size(), world->size());
  EXPECT_EQ(communicator_->backend(), GetParam().name);
}

TEST_P(Conformance, SumsEveryDtypeInRankOrder) {
  for (const at::ScalarType dtype : kDtypes) {
    const at::Tensor tensor = to_device(values(rank(), dtype, 10'000));
    communicator_->all_reduce(tensor, "sum");
    EXPECT_TRUE(same_bits(tensor, expected_sum(dtype, 10'000))) << c10::toString(dtype);
  }
}

// Adjacent 16-bit numbers are 2 apart there, so a 16-bit accumulator would not change.
TEST_P(Conformance, SmallAddendsSurviveInASumOf16BitNumbers) {
  const auto sum_of = [&](at::ScalarType dtype, double first) {
    const at::Tensor tensor = to_device(at::full({100}, rank() == 0 ? first : 1.0, dtype));
    communicator_->all_reduce(tensor, "small addends");
    EXPECT_TRUE(tensor.eq(tensor[0]).all().item<bool>());
    return tensor[0].item<double>();
  };
  EXPECT_EQ(sum_of(at::kHalf, 2048), size() == 4 ? 2052 : 2048);  // 2051 lies between 2050 and the even 2052
  EXPECT_EQ(sum_of(at::kBFloat16, 256), size() == 4 ? 260 : 256);
}

TEST_P(Conformance, A16BitSumMayExceedTheRangeInIntermediateResults) {
  const double largest = 65504;
  const at::Tensor tensor = to_device(at::full({100}, rank() < 2 ? largest : -largest, at::kHalf));
  communicator_->all_reduce(tensor, "there and back");
  const double expected = size() == 1 ? largest : size() == 2 ? std::numeric_limits<double>::infinity() : 0;
  EXPECT_EQ(tensor[99].item<double>(), expected);
}

TEST_P(Conformance, ComputesMaxAndMinOverAllRanks) {
  for (const at::ScalarType dtype : kDtypes) {
    at::Tensor largest = values(0, dtype, 1000), smallest = largest;
    for (int r = 1; r < size(); ++r) {
      largest = at::maximum(largest, values(r, dtype, 1000));
      smallest = at::minimum(smallest, values(r, dtype, 1000));
    }
    const at::Tensor max = to_device(values(rank(), dtype, 1000)), min = max.clone();
    communicator_->all_reduce(max, "max", ReduceOp::max);
    communicator_->all_reduce(min, "min", ReduceOp::min);
    EXPECT_TRUE(same_bits(max, largest)) << c10::toString(dtype);
    EXPECT_TRUE(same_bits(min, smallest)) << c10::toString(dtype);
  }
}

TEST_P(Conformance, BroadcastsFromEveryRank) {
  for (const at::ScalarType dtype : kDtypes) {
    for (int root = 0; root < size(); ++root) {
      const at::Tensor tensor = to_device(values(rank(), dtype, 777));
      communicator_->broadcast(tensor, root, "broadcast");
      EXPECT_TRUE(same_bits(tensor, values(root, dtype, 777))) << c10::toString(dtype) << " from " << root;
    }
  }
}

TEST_P(Conformance, GathersInRankOrderAndKeepsTheInput) {
  for (const at::ScalarType dtype : kDtypes) {
    const at::Tensor input = to_device(values(rank(), dtype, 333));
    const at::Tensor output = to_device(at::zeros({size() * 333}, dtype));
    communicator_->all_gather(input, output, "gather");
    for (int r = 0; r < size(); ++r)
      EXPECT_TRUE(same_bits(output.slice(0, r * 333, (r + 1) * 333), values(r, dtype, 333)))
          << c10::toString(dtype) << " of rank " << r;
    EXPECT_TRUE(same_bits(input, values(rank(), dtype, 333)));
  }
}

TEST_P(Conformance, ScattersTheSumInRankOrder) {
  for (const at::ScalarType dtype : kDtypes) {
    const std::int64_t part = 555, all = part * size();
    const at::Tensor output = to_device(at::zeros({part}, dtype));
    communicator_->reduce_scatter(to_device(values(rank(), dtype, all)), output, "scatter");
    EXPECT_TRUE(same_bits(output, expected_sum(dtype, all).slice(0, rank() * part, (rank() + 1) * part)))
        << c10::toString(dtype);
  }
}

TEST_P(Conformance, GathersIntoATensorThatContainsTheInput) {
  const at::Tensor whole = to_device(at::zeros({size() * 64}, at::kFloat));
  const at::Tensor mine = whole.slice(0, rank() * 64, (rank() + 1) * 64);
  mine.copy_(values(rank(), at::kFloat, 64));
  communicator_->all_gather(mine, whole, "in place");
  for (int r = 0; r < size(); ++r)
    EXPECT_TRUE(same_bits(whole.slice(0, r * 64, (r + 1) * 64), values(r, at::kFloat, 64)));
}

TEST_P(Conformance, WorksCanBeWaitedForInAnyOrderAndTwice) {
  Collective reduce, gather;
  reduce.kind = CollectiveKind::all_reduce;
  reduce.input = to_device(values(rank(), at::kFloat, 100'000));
  reduce.label = "first";
  gather.kind = CollectiveKind::all_gather;
  gather.input = to_device(values(rank(), at::kHalf, 10));
  gather.output = to_device(at::zeros({10 * size()}, at::kHalf));
  gather.label = "second";
  const auto first = communicator_->start(reduce), second = communicator_->start(gather);
  second->wait();
  EXPECT_TRUE(same_bits(gather.output.slice(0, 0, 10), values(0, at::kHalf, 10)));
  first->wait();
  first->wait();
  EXPECT_TRUE(same_bits(reduce.input, expected_sum(at::kFloat, 100'000)));
}

TEST_P(Conformance, ACollectiveCompletesWithoutAWait) {
  Collective reduce;
  reduce.kind = CollectiveKind::all_reduce;
  reduce.input = to_device(values(rank(), at::kFloat, 1000));
  reduce.label = "unwatched";
  (void)communicator_->start(reduce);
  communicator_->barrier("after it");
  EXPECT_TRUE(same_bits(reduce.input, expected_sum(at::kFloat, 1000)));
}

TEST_P(Conformance, EmptyTensorsAreAccepted) {
  const at::Tensor none = to_device(at::zeros({0}, at::kFloat)),
                   output = to_device(at::zeros({0}, at::kFloat));
  communicator_->all_reduce(none, "none");
  communicator_->broadcast(none, size() - 1, "none");
  communicator_->all_gather(none, output, "none");
  communicator_->reduce_scatter(none, output, "none");
  const at::Tensor one = to_device(at::ones({1}, at::kFloat));
  communicator_->all_reduce(one, "one");  // the ranks are still in step
  EXPECT_EQ(one.item<float>(), static_cast<float>(size()));
}

TEST_P(Conformance, SizesNeedNotDivideByTheRanks) {
  for (const std::int64_t count : {1, 2, 3, 5, 7, 31, 1023, 1025, 4099}) {
    for (const at::ScalarType dtype : {at::kHalf, at::kFloat, at::kByte}) {
      const at::Tensor tensor = to_device(values(rank(), dtype, count));
      communicator_->all_reduce(tensor, "odd");
      EXPECT_TRUE(same_bits(tensor, expected_sum(dtype, count))) << c10::toString(dtype) << " " << count;
    }
  }
}

TEST_P(Conformance, TensorsMayHaveAnyShape) {
  const at::Tensor tensor = to_device(values(rank(), at::kFloat, 24).view({2, 3, 4}));
  communicator_->all_reduce(tensor, "three dimensions");
  EXPECT_TRUE(same_bits(tensor, expected_sum(at::kFloat, 24)));
  const at::Tensor scalar = to_device(at::ones({}, at::kDouble));
  communicator_->all_reduce(scalar, "none");
  EXPECT_EQ(scalar.item<double>(), size());
}

// Staging is at most 8 MiB, so these tensors need many rounds with a smaller last one.
TEST_P(Conformance, TensorsMayBeLargerThanTheStaging) {
  const std::int64_t count = 5'000'003;  // 20 MB
  const at::Tensor reduced = to_device(values(rank(), at::kFloat, count));
  communicator_->all_reduce(reduced, "large");
  EXPECT_TRUE(same_bits(reduced, expected_sum(at::kFloat, count)));

  const std::int64_t part = 1'200'007;
  const at::Tensor scattered = to_device(at::zeros({part}, at::kDouble));
  communicator_->reduce_scatter(to_device(values(rank(), at::kDouble, part * size())), scattered, "large");
  const at::Tensor sum = expected_sum(at::kDouble, part * size());
  EXPECT_TRUE(same_bits(scattered, sum.slice(0, rank() * part, (rank() + 1) * part)));

  const at::Tensor gathered = to_device(at::zeros({part * size()}, at::kDouble));
  communicator_->all_gather(scattered, gathered, "large");
  EXPECT_TRUE(same_bits(gathered, sum));
}

TEST_P(Conformance, ABroadcastMayBeLargerThanOneMessage) {
  const std::int64_t bytes = (64 << 20) + 5;
  const at::Tensor tensor = to_device(last() ? values(0, at::kByte, bytes) : at::zeros({bytes}, at::kByte));
  communicator_->broadcast(tensor, size() - 1, "more than 64 MiB");
  EXPECT_TRUE(same_bits(tensor, values(0, at::kByte, bytes)));
}

TEST_P(Conformance, AResultHasTheSameBitsInEachRunAndOnEveryRank) {
  const std::int64_t count = 300'001;
  const at::Tensor first = to_device(values(rank(), at::kFloat, count));
  communicator_->all_reduce(first, "first");
  for (int time = 0; time < 3; ++time) {
    const at::Tensor again = to_device(values(rank(), at::kFloat, count));
    communicator_->all_reduce(again, "again");
    EXPECT_TRUE(same_bits(again, first));
  }
  const at::Tensor all = to_device(at::zeros({count * size()}, at::kFloat));
  communicator_->all_gather(first, all, "compare");
  for (int r = 0; r < size(); ++r)
    EXPECT_TRUE(same_bits(all.slice(0, r * count, (r + 1) * count), first)) << "rank " << r;
}

TEST_P(Conformance, TwoCommunicatorsAreIndependent) {
  const auto other = GetParam().make(kTimeout_s);
  Collective a, b;
  a.kind = b.kind = CollectiveKind::all_reduce;
  a.input = to_device(values(rank(), at::kFloat, 1000, 1));
  b.input = to_device(values(rank(), at::kFloat, 1000, 2));
  a.label = b.label = "the same label";
  const auto first = communicator_->start(a), second = other->start(b);
  second->wait();
  first->wait();
  EXPECT_TRUE(same_bits(a.input, expected_sum(at::kFloat, 1000, 1)));
  EXPECT_TRUE(same_bits(b.input, expected_sum(at::kFloat, 1000, 2)));
}

}  // namespace ebb::comm

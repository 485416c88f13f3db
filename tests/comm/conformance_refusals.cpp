// SPDX-License-Identifier: Apache-2.0
// Invalid collectives, which every Communicator refuses on the rank that starts them, before any
// transfer.
#include "comm/conformance.h"

namespace ebb::comm {
namespace {

using testing::HasSubstr;

class ConformanceRefusals : public Conformance {
 protected:
  std::string refusal(const std::function<void()>& action) { return error_of(ExitCode::internal, action); }
  // After a refusal the ranks are still in step.
  void TearDown() override {
    if (IsSkipped()) return;
    const at::Tensor one = to_device(at::ones({1}, at::kFloat));
    communicator_->all_reduce(one, "after the refusal");
    EXPECT_EQ(one.item<float>(), static_cast<float>(size()));
    Conformance::TearDown();
  }
};

INSTANTIATE_TEST_SUITE_P(Every, ConformanceRefusals, testing::ValuesIn(subjects()), name_of);

TEST_P(ConformanceRefusals, AnUnsupportedDtype) {
  for (const at::ScalarType dtype : {at::kBool, at::kShort, at::kComplexFloat, at::kChar}) {
    const std::string message =
        refusal([&] { communicator_->all_reduce(to_device(at::zeros({4}, dtype)), "flags"); });
    EXPECT_THAT(message, HasSubstr("all_reduce \"flags\""));
    EXPECT_THAT(message, HasSubstr(c10::toString(dtype)));
  }
}

TEST_P(ConformanceRefusals, ATensorThatIsNotContiguous) {
  const at::Tensor strided = to_device(at::zeros({4, 6}, at::kFloat)).t();
  const std::string message = refusal([&] { communicator_->broadcast(strided, 0, "weights"); });
  EXPECT_THAT(message, HasSubstr("broadcast \"weights\""));
  EXPECT_THAT(message, HasSubstr("24 elements is not contiguous"));
}

TEST_P(ConformanceRefusals, AnOutputThatIsNotContiguous) {
  const at::Tensor strided = to_device(at::zeros({size() * 4, 2}, at::kFloat)).select(1, 0);
  EXPECT_THAT(
      refusal([&] { communicator_->all_gather(to_device(at::zeros({4}, at::kFloat)), strided, "weights"); }),
      HasSubstr("output tensor"));
}

TEST_P(ConformanceRefusals, AScatterOfUnevenParts) {
  const at::Tensor input = to_device(at::zeros({size() * 3 + (size() > 1 ? 1 : 0)}, at::kFloat));
  const at::Tensor output = to_device(at::zeros({size() > 1 ? 3 : 2}, at::kFloat));
  const std::string message =
      refusal([&] { communicator_->reduce_scatter(input, output, "gradients decoder"); });
  EXPECT_THAT(message, HasSubstr("reduce_scatter \"gradients decoder\""));
  EXPECT_THAT(message, HasSubstr(std::to_string(input.numel()) + " elements"));
  EXPECT_THAT(message, HasSubstr(std::to_string(size()) + " ranks"));
}

TEST_P(ConformanceRefusals, AGatherWhoseOutputIsTooSmall) {
  const at::Tensor input = to_device(at::zeros({5}, at::kFloat));
  const at::Tensor output = to_device(at::zeros({5 * size() - 1}, at::kFloat));
  const std::string message = refusal([&] { communicator_->all_gather(input, output, "parameters"); });
  EXPECT_THAT(message, HasSubstr("needs an output of " + std::to_string(5 * size())));
  EXPECT_THAT(message, HasSubstr("it has " + std::to_string(5 * size() - 1)));
}

TEST_P(ConformanceRefusals, AnInputAndAnOutputOfDifferentDtypes) {
  const at::Tensor input = to_device(at::zeros({5}, at::kFloat));
  const at::Tensor output = to_device(at::zeros({5 * size()}, at::kHalf));
  const std::string message = refusal([&] { communicator_->all_gather(input, output, "parameters"); });
  EXPECT_THAT(message, HasSubstr("Float"));
  EXPECT_THAT(message, HasSubstr("Half"));
}

TEST_P(ConformanceRefusals, AnUndefinedTensor) {
  EXPECT_THAT(refusal([&] { communicator_->all_reduce({}, "nothing"); }),
              HasSubstr("input tensor is not defined"));
  EXPECT_THAT(
      refusal([&] { communicator_->all_gather(to_device(at::zeros({1}, at::kFloat)), {}, "nothing"); }),
      HasSubstr("output tensor is not defined"));
}

TEST_P(ConformanceRefusals, ATensorOnAnotherDevice) {
  const at::Tensor elsewhere = at::zeros({4}, at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
  EXPECT_THAT(refusal([&] { communicator_->all_reduce(elsewhere, "shapes"); }), HasSubstr("is on meta"));
}

TEST_P(ConformanceRefusals, AnInvalidRoot) {
  const at::Tensor tensor = to_device(at::zeros({4}, at::kFloat));
  for (const int root : {-1, size()})
    EXPECT_THAT(refusal([&] { communicator_->broadcast(tensor, root, "weights"); }),
                HasSubstr("root " + std::to_string(root) + " is not one of the ranks 0 to"));
}

}  // namespace
}  // namespace ebb::comm

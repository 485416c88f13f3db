// SPDX-License-Identifier: Apache-2.0
// The installed ledger over real tensors, to the byte: classes, owners, peaks by stage.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "memory/installed_ledger.h"

namespace ebb::memory {
namespace {

using Location = Ledger::Location;

class TensorAccount : public ::testing::Test {
 protected:
  // A tensor of one byte an element, under the current tag.
  static at::Tensor bytes(std::int64_t count) { return at::empty({count}, at::kByte); }
  [[nodiscard]] std::int64_t peak(Stage stage, Class cls) const {
    return ledger_.peak(Location::host, stage)[static_cast<std::size_t>(cls)];
  }
  Ledger& ledger_ = the_test_ledger();
};

TEST_F(TensorAccount, EachClassHoldsTheBytesOfItsOwnTensors) {
  std::vector<at::Tensor> kept;
  for (int c = 0; c < kClasses; ++c) {
    const Tag tag(static_cast<Class>(c), "owner");
    kept.push_back(bytes(1000 + c));
  }
  const Sums live = ledger_.live(Location::host);
  for (int c = 0; c < kClasses; ++c) EXPECT_EQ(live[c], 1000 + c) << kClassNames[c];
  EXPECT_EQ(ledger_.live_total(Location::host), 8028);
  kept.clear();
  EXPECT_EQ(ledger_.live(Location::host), Sums{});
}

TEST_F(TensorAccount, NestedTagsShareAStepsBytesBetweenTheirOwners) {
  const Tag outer(Class::activations, "decoder");
  const at::Tensor a = bytes(100);
  at::Tensor b;
  {
    const Tag inner(Class::workspace, "convolution");
    b = bytes(20);
  }
  const at::Tensor c = bytes(3);
  const auto owners = ledger_.owners(Location::host);
  ASSERT_EQ(owners.size(), 2U);
  EXPECT_EQ(owners[0].owner, "decoder");
  EXPECT_EQ(owners[0].bytes, 103);
  EXPECT_EQ(owners[0].blocks, 2);
  EXPECT_EQ(owners[1].owner, "convolution");
  EXPECT_EQ(owners[1].bytes, 20);
}

TEST_F(TensorAccount, PeaksBelongToTheStageInWhichTheyWereReached) {
  const Tag tag(Class::activations, "h");
  ledger_.enter(Stage::setup);
  ledger_.reset_peaks();
  {
    const StageScope forward(ledger_, Stage::forward);
    const at::Tensor kept = bytes(512);
    bytes(4096);
    {
      const StageScope backward(ledger_, Stage::backward);
      const at::Tensor gradient = bytes(64);
      EXPECT_EQ(peak(Stage::backward, Class::activations), 576);
    }
  }
  EXPECT_EQ(peak(Stage::setup, Class::activations), 0);
  EXPECT_EQ(peak(Stage::forward, Class::activations), 4608);
  EXPECT_EQ(peak(Stage::backward, Class::activations), 576);
  EXPECT_EQ(peak(Stage::reduce, Class::activations), 0);
  EXPECT_EQ(ledger_.peak_total(Location::host), 4608);
}

TEST_F(TensorAccount, ResettingPeaksStartsFromWhatIsAlive) {
  const Tag tag(Class::activations, "h");
  const at::Tensor kept = bytes(10);
  bytes(1 << 20);
  ledger_.reset_peaks();
  EXPECT_EQ(ledger_.peak_total(Location::host), 10);
  EXPECT_EQ(peak(ledger_.stage(), Class::activations), 10);
  bytes(5);
  EXPECT_EQ(ledger_.peak_total(Location::host), 15);
}

TEST_F(TensorAccount, ATensorThatTakesAnothersStorageFreesItsOwn) {
  at::Tensor own, other;
  {
    const Tag tag(Class::parameters, "own");
    own = bytes(300);
  }
  {
    const Tag tag(Class::communication, "flat");
    other = bytes(700);
  }
  own.set_(other.storage(), 0, {700}, {1});
  EXPECT_EQ(live(Class::parameters, "own"), 0);
  EXPECT_EQ(live(Class::communication, "flat"), 700);
  other = at::Tensor();
  EXPECT_EQ(live(Class::communication, "flat"), 700);
  own = at::Tensor();
  EXPECT_EQ(live(Class::communication, "flat"), 0);
}

TEST_F(TensorAccount, AGrownStorageBelongsToTheTagUnderWhichItGrew) {
  at::Tensor tensor;
  {
    const Tag tag(Class::data, "small");
    tensor = bytes(100);
  }
  {
    const Tag tag(Class::workspace, "large");
    tensor.resize_({5000});
    EXPECT_EQ(live(Class::data, "small"), 0);
    EXPECT_EQ(live(Class::workspace, "large"), 5000);
    tensor.resize_({10});  // LibTorch keeps the storage
    EXPECT_EQ(live(Class::workspace, "large"), 5000);
  }
  tensor = at::Tensor();
  EXPECT_EQ(ledger_.live_total(Location::host), 0);
}

}  // namespace
}  // namespace ebb::memory

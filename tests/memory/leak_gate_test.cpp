// SPDX-License-Identifier: Apache-2.0
#include "memory/leak_gate.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "memory/buffer.h"
#include "memory/installed_ledger.h"

namespace ebb::memory {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kKeptTensor = "a tensor outlives its step";
constexpr const char* kFreedMemory = "the step freed memory that the steps before it kept";

std::string first_line(int step) {
  return "live bytes at the end of step " + std::to_string(step) +
         " differ from those at the end of the step before\n";
}

// A step of a small model: x [4, 16] · w [16, 16] -> the mean square, and its gradient.
class LeakGateTest : public ::testing::Test {
 protected:
  LeakGateTest() {
    const Tag tag(Class::parameters, "decoder");
    weight_ = at::ones({16, 16}, at::kFloat).requires_grad_();
  }

  [[nodiscard]] at::Tensor forward() const {
    at::Tensor x;
    {
      const Tag tag(Class::data, "input");
      x = at::ones({4, 16}, at::kFloat);
    }
    const Tag tag(Class::activations, "decoder");
    return x.mm(weight_).pow(2).sum();
  }
  static void backward(const at::Tensor& loss) {
    const Tag tag(Class::gradients, "backward");
    loss.backward();
  }
  void step() {
    backward(forward());
    weight_.mutable_grad() = at::Tensor();
  }

  // Runs steps of `body` until the gate refuses one. Returns its number and text; -1 if it refuses none of
  // `count`.
  static std::pair<int, std::string> first_refused(int count, const std::function<void(int)>& body) {
    LeakGate gate(the_test_ledger(), LeakPolicy::error);
    for (int i = 0; i < count; ++i) {
      body(i);
      try {
        gate.check(i);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::memory);
        return {i, error.what()};
      }
    }
    return {-1, ""};
  }

  Ledger& ledger_ = the_test_ledger();
  at::Tensor weight_;
};

TEST_F(LeakGateTest, PassesStepsThatFreeTheirAllocations) {
  EXPECT_EQ(first_refused(10, [&](int) { step(); }).first, -1);
}

TEST_F(LeakGateTest, TheFirstStepMayKeepItsAllocations) {
  at::Tensor moments;
  EXPECT_EQ(first_refused(5,
                          [&](int i) {
                            if (i == 0) moments = at::zeros({256});
                            step();
                          })
                .first,
            -1);
}

TEST_F(LeakGateTest, CatchesAGraphRetainedBySummingLosses) {
  at::Tensor total = at::zeros({});
  const auto [refused, text] = first_refused(5, [&](int) {
    const at::Tensor loss = forward();
    total = total + loss;
  });
  EXPECT_EQ(refused, 1);
  EXPECT_THAT(text, StartsWith(first_line(1)));
  EXPECT_THAT(text, HasSubstr("host activations"));
  EXPECT_THAT(text, HasSubstr(kKeptTensor));
  EXPECT_THAT(text, Not(HasSubstr(kFreedMemory)));
  EXPECT_THAT(text,
              HasSubstr("decoder: 256 B before, 512 B now, +256 B (1 blocks before, 2 now)"));  // the product
  EXPECT_THAT(text, HasSubstr("input: 256 B before, 512 B now, +256 B"));
}

TEST_F(LeakGateTest, CatchesATensorKeptInAVectorAtItsFirstStep) {
  std::vector<at::Tensor> kept;
  const auto [refused, text] = first_refused(8, [&](int i) {
    step();
    const Tag tag(Class::activations, "samples");
    if (i >= 4) kept.push_back(at::zeros({1000}, at::kByte));
  });
  EXPECT_EQ(refused, 4);
  EXPECT_THAT(text, HasSubstr("step 4 "));
  EXPECT_THAT(text, HasSubstr("samples: 0 B before, 1000 B now, +1000 B (0 blocks before, 1 now)"));
}

TEST_F(LeakGateTest, CatchesAMapThatGrowsByOneEntryAStep) {
  std::map<int, at::Tensor> cache;
  const auto [refused, text] = first_refused(5, [&](int i) {
    step();
    const Tag tag(Class::workspace, "cache");
    cache[i] = at::zeros({3}, at::kFloat);
  });
  EXPECT_EQ(refused, 1);
  EXPECT_THAT(text, HasSubstr("host workspace: 12 B before, 24 B now, +12 B"));
}

TEST_F(LeakGateTest, CatchesAGradientThatIsKept) {
  const auto [refused, text] = first_refused(6, [&](int i) {
    backward(forward());
    if (i != 3) weight_.mutable_grad() = at::Tensor();
  });
  EXPECT_EQ(refused, 3);
  EXPECT_THAT(text, HasSubstr("host gradients: 0 B before, 1024 B now, +1024 B"));
  EXPECT_THAT(text, HasSubstr("backward: 0 B before, 1024 B now"));
}

TEST_F(LeakGateTest, CatchesABufferThatIsKept) {
  std::vector<Buffer> slots;
  const auto [refused, text] = first_refused(5, [&](int) { slots.emplace_back(5, Class::data, "slot"); });
  EXPECT_EQ(refused, 1);
  EXPECT_THAT(text, HasSubstr("slot: 5 B before, 10 B now, +5 B"));
}

TEST_F(LeakGateTest, CatchesAShrinkingClassToo) {
  std::vector<Buffer> slots;
  slots.emplace_back(64, Class::data, "slot");
  const auto [refused, text] = first_refused(5, [&](int i) {
    if (i == 2) slots.clear();
  });
  EXPECT_EQ(refused, 2);
  EXPECT_THAT(text, StartsWith(first_line(2)));
  EXPECT_THAT(text, HasSubstr("64 B before, 0 B now, -64 B"));
  EXPECT_THAT(text, HasSubstr(kFreedMemory));
  EXPECT_THAT(text, Not(HasSubstr(kKeptTensor)));
}

TEST_F(LeakGateTest, CatchesOneClassThatGrowsAsAnotherShrinks) {
  std::vector<Buffer> kept;
  kept.emplace_back(64, Class::data, "slot");
  const auto [refused, text] = first_refused(5, [&](int i) {
    if (i != 2) return;
    kept.clear();
    kept.emplace_back(64, Class::workspace, "scratch");
  });
  EXPECT_EQ(refused, 2);
  EXPECT_THAT(text, HasSubstr("host data: 64 B before, 0 B now, -64 B"));
  EXPECT_THAT(text, HasSubstr("host workspace: 0 B before, 64 B now, +64 B"));
  EXPECT_THAT(text, HasSubstr(kKeptTensor));
}

TEST_F(LeakGateTest, ComparesTheDeviceToo) {
  Ledger ledger;
  LeakGate gate(ledger, LeakPolicy::error);
  gate.check(0);
  ledger.record(this, 512, Ledger::Location::device, Class::gradients, "bucket");
  EXPECT_THROW(
      {
        try {
          gate.check(1);
        } catch (const Error& error) {
          EXPECT_THAT(error.what(), HasSubstr("device gradients: 0 B before, 512 B now, +512 B"));
          EXPECT_THAT(error.what(), HasSubstr(kKeptTensor));
          throw;
        }
      },
      Error);
}

TEST_F(LeakGateTest, WarnReportsEveryStepAndContinues) {
  std::vector<Buffer> kept;
  LeakGate gate(ledger_, LeakPolicy::warn);
  for (int i = 0; i < 3; ++i) {
    kept.emplace_back(8, Class::data, "slot");
    const auto text = gate.check(i);
    ASSERT_EQ(text.has_value(), i > 0);
    if (text) {
      EXPECT_THAT(*text, HasSubstr("+8 B"));
      EXPECT_THAT(*text, Not(HasSubstr(kKeptTensor)));
    }
  }
  EXPECT_FALSE(gate.check(3).has_value());
}

TEST_F(LeakGateTest, OffReportsNothing) {
  std::vector<Buffer> kept;
  LeakGate gate(ledger_, LeakPolicy::off);
  for (int i = 0; i < 3; ++i) {
    kept.emplace_back(8, Class::data, "slot");
    EXPECT_FALSE(gate.check(i).has_value());
  }
}

}  // namespace
}  // namespace ebb::memory

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "comm/communicator.h"
#include "comm/world.h"

namespace ebb::comm {

// A communicator under test; it must fulfil the contract of communicator.h.
struct Subject {
  std::string name;
  at::Device device = at::kCPU;
  std::function<std::unique_ptr<Communicator>(double timeout_s)> make;
  std::string skip_reason{};  // why it cannot be tested on this machine; else empty
};
inline void PrintTo(const Subject& backend, std::ostream* out) {
  *out << backend.name;
}

// main sets it before it initialises GoogleTest, which calls subjects().
inline const World* world = nullptr;
std::vector<Subject> subjects();  // defined beside main
std::string name_of(const testing::TestParamInfo<Subject>& info);

// Every rank runs every test, in the same order.
class Conformance : public testing::TestWithParam<Subject> {
 protected:
  static constexpr double kTimeout_s = 60, kShortTimeout_s = 1;

  void SetUp() override {
    if (!GetParam().skip_reason.empty()) GTEST_SKIP() << GetParam().skip_reason;
    communicator_ = GetParam().make(kTimeout_s);
    synchronise();  // a communicator that breaks early would disturb its construction on a slower rank
  }
  // Ranks that ended a test early wait here for all others, so no test receives messages of an earlier
  // one.
  void TearDown() override { synchronise(); }
  static void synchronise() { (void)world->gather_to_all("", kTimeout_s); }

  [[nodiscard]] int rank() const { return communicator_->rank(); }
  [[nodiscard]] int size() const { return communicator_->size(); }
  [[nodiscard]] bool last() const { return rank() == size() - 1; }
  [[nodiscard]] at::Tensor to_device(const at::Tensor& tensor) const { return tensor.to(GetParam().device); }

  // The input of rank `of`, which any rank can compute. The magnitudes differ widely, so the order
  // of a sum changes its bits.
  static at::Tensor values(int of, at::ScalarType dtype, std::int64_t count, std::uint64_t salt = 0);
  // ATen's sum of these inputs over ranks 0, 1, …, in fp32 for 16-bit types.
  [[nodiscard]] at::Tensor expected_sum(at::ScalarType dtype, std::int64_t count,
                                        std::uint64_t salt = 0) const;

  // The message of the Error that `action` throws. The test fails if it throws none.
  static std::string error_of(ExitCode code, const std::function<void()>& action);

  std::unique_ptr<Communicator> communicator_;
};

inline const std::vector<at::ScalarType> kDtypes = {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble,
                                                    at::kLong, at::kInt,      at::kByte};

// Compares bit by bit, including NaN.
testing::AssertionResult same_bits(const at::Tensor& a, const at::Tensor& b);

}  // namespace ebb::comm

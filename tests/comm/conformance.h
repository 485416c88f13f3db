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

// A kind of communicator that is held to the contract of communicator.h.
struct Subject {
  std::string name;
  at::Device device = at::kCPU;
  std::function<std::unique_ptr<Communicator>(double timeout_s)> make;
  std::string why_not{};  // why it cannot be tested on this machine; else empty
};
inline void PrintTo(const Subject& backend, std::ostream* out) {
  *out << backend.name;
}

// Set by main before GoogleTest is initialised, which asks for the list.
inline const World* world = nullptr;
std::vector<Subject> subjects();  // main's
std::string name_of(const testing::TestParamInfo<Subject>& info);

// Every rank runs every test, in the same order.
class Conformance : public testing::TestWithParam<Subject> {
 protected:
  static constexpr double kPatience_s = 60, kShort_s = 1;

  void SetUp() override {
    if (!GetParam().why_not.empty()) GTEST_SKIP() << GetParam().why_not;
    communicator_ = GetParam().make(kPatience_s);
    meet();  // one that breaks at once would break the making of it on a slower rank
  }
  // Ranks that gave up early wait for the others here, so that no test meets the leavings of the one before.
  void TearDown() override { meet(); }
  static void meet() { (void)world->gather_to_all("", kPatience_s); }

  [[nodiscard]] int rank() const { return communicator_->rank(); }
  [[nodiscard]] int size() const { return communicator_->size(); }
  [[nodiscard]] bool last() const { return rank() == size() - 1; }
  [[nodiscard]] at::Tensor to_device(const at::Tensor& tensor) const { return tensor.to(GetParam().device); }

  // What rank `of` brings: any rank can work it out. Of very different sizes, so that the order of a sum
  // shows.
  static at::Tensor values(int of, at::ScalarType dtype, std::int64_t count, std::uint64_t salt = 0);
  // The sum over ranks 0, 1, … of those, in fp32 for 16-bit types, by ATen.
  [[nodiscard]] at::Tensor expected_sum(at::ScalarType dtype, std::int64_t count,
                                        std::uint64_t salt = 0) const;

  // The message of the Error that `action` ends with; a failure of the test where it does not.
  static std::string error_of(ExitCode code, const std::function<void()>& action);

  std::unique_ptr<Communicator> communicator_;
};

inline const std::vector<at::ScalarType> kDtypes = {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble,
                                                    at::kLong, at::kInt,      at::kByte};

// Bit for bit, NaN included.
testing::AssertionResult same_bits(const at::Tensor& a, const at::Tensor& b);

}  // namespace ebb::comm

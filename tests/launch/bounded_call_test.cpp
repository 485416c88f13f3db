// SPDX-License-Identifier: Apache-2.0
#include "launch/bounded_call.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <stdexcept>

namespace ebb::launch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(BoundedCall, ReturnsTheResult) {
  EXPECT_EQ(call_within(seconds(60), [] { return std::int64_t{1} << 40; }), std::int64_t{1} << 40);
}

TEST(BoundedCall, DoesNotWaitForACallThatHangs) {
  const auto start = std::chrono::steady_clock::now();
  const auto result = call_within(milliseconds(100), []() -> std::int64_t {
    for (;;) ::pause();
  });
  EXPECT_FALSE(result);
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(30));
}

TEST(BoundedCall, AnExceptionIsNoResult) {
  EXPECT_FALSE(call_within(seconds(60), []() -> std::int64_t { throw std::runtime_error("gone"); }));
}

}  // namespace
}  // namespace ebb::launch

// SPDX-License-Identifier: Apache-2.0
#include "data/test_share.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"

namespace ebb::data {
namespace {

std::vector<std::int64_t> samples_of(const TestShare& share) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < share.size(); ++i) all.push_back(share.sample_at(i));
  return all;
}

std::string refusal(std::int64_t samples, double share, const std::string& split, ExitCode code) {
  try {
    const TestShare made(samples, share, split, "PICTURES");
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    return error.what();
  }
  return "no error";
}

TEST(TestShare, TheSplitsAreDisjointAndTogetherEverySample) {
  for (const std::int64_t samples : {2, 3, 10, 1000}) {
    for (const double share : {0.1, 0.25, 0.5, 0.9}) {
      const auto expected = static_cast<std::int64_t>(share * static_cast<double>(samples) + 0.5);
      if (expected < 1 || expected >= samples) continue;
      const TestShare test(samples, share, "test", ""), train(samples, share, "train", "");
      EXPECT_EQ(test.size(), expected) << samples << " samples, " << share;
      std::vector<std::int64_t> both = samples_of(test);
      for (const std::int64_t sample : samples_of(train)) both.push_back(sample);
      std::ranges::sort(both);
      std::vector<std::int64_t> every(static_cast<std::size_t>(samples));
      std::iota(every.begin(), every.end(), 0);
      EXPECT_EQ(both, every);
    }
  }
}

// Runs and packed datasets rely on the mapping, which never changes.
TEST(TestShare, TheChoiceIsAlwaysTheSame) {
  EXPECT_EQ(samples_of(TestShare(10, 0.3, "test", "")), (std::vector<std::int64_t>{8, 1, 9}));
  EXPECT_EQ(samples_of(TestShare(10, 0.3, "train", "")), (std::vector<std::int64_t>{2, 0, 3, 5, 6, 4, 7}));
}

TEST(TestShare, WithoutASplitTheOrderIsThatOfTheSource) {
  EXPECT_EQ(samples_of(TestShare(4, 0, "", "")), (std::vector<std::int64_t>{0, 1, 2, 3}));
}

TEST(TestShare, AMissingShareAndAnEmptySplitAreRefused) {
  for (const char* split : {"train", "test"}) {
    EXPECT_NE(refusal(10, 0, split, ExitCode::usage).find("PICTURES is not divided"), std::string::npos);
    EXPECT_NE(refusal(4, 0.1, split, ExitCode::data).find("0.1 of the 4 samples of PICTURES is 0"),
              std::string::npos);
    EXPECT_NE(refusal(1, 0.9, split, ExitCode::data).find("is 1"), std::string::npos);
  }
}

}  // namespace
}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "evaluate/nearest_rows.h"

namespace ebb::evaluate {

// Uniform noise [count, channels, side, side] uint8 of [low, high).
inline at::Tensor noise(std::uint64_t seed, std::int64_t count, std::int64_t channels, std::int64_t side,
                        std::int64_t low = 0, std::int64_t high = 256) {
  at::manual_seed(seed);
  return at::randint(low, high, {count, channels, side, side}, at::kByte);
}

// Expects an Error of this code whose text has all these parts.
inline void expect_error(ExitCode code, const std::vector<std::string>& parts,
                         const std::function<void()>& run) {
  try {
    run();
    ADD_FAILURE() << "an error was expected";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    for (const std::string& part : parts) EXPECT_THAT(error.what(), ::testing::HasSubstr(part));
  }
}

// The nearest row to each query, int64 [Q].
inline at::Tensor nearest_rows(const at::Tensor& queries, const at::Tensor& rows) {
  NearestRows search(queries, 1);
  search.add(rows);
  return search.indices().squeeze(1);
}

}  // namespace ebb::evaluate

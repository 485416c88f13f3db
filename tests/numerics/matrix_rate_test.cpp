// SPDX-License-Identifier: Apache-2.0
#include "numerics/matrix_rate.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "support/folder_test.h"

namespace ebb::numerics {
namespace {

class MatrixRate : public test::FolderTest {
 protected:
  void SetUp() override {
    test::FolderTest::SetUp();
    setenv("XDG_CACHE_HOME", (folder_ / "cache").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("XDG_CACHE_HOME");
    test::FolderTest::TearDown();
  }
};

TEST_F(MatrixRate, IsThatOfALargeProduct) {
  const double rate = measure_matrix_rate(Dtype::fp32, at::kCPU);
  EXPECT_GT(rate, 1e8);  // any processor has more
  EXPECT_LT(rate, 1e15);
}

TEST_F(MatrixRate, IsStoredByDtypeThreadsAndRanks) {
  EXPECT_EQ(stored_matrix_rate(Dtype::fp32, at::kCPU, 2), 0);
  store_matrix_rate(Dtype::fp32, at::kCPU, 2, 2.5e11);
  store_matrix_rate(Dtype::bf16, at::kCPU, 2, 5e11);
  EXPECT_EQ(stored_matrix_rate(Dtype::fp32, at::kCPU, 2), 2.5e11);
  EXPECT_EQ(stored_matrix_rate(Dtype::bf16, at::kCPU, 2), 5e11);
  EXPECT_EQ(stored_matrix_rate(Dtype::fp32, at::kCPU, 1), 0);
  const int before = at::get_num_threads();
  at::set_num_threads(before + 1);
  EXPECT_EQ(stored_matrix_rate(Dtype::fp32, at::kCPU, 2), 0);
  at::set_num_threads(before);
}

TEST_F(MatrixRate, AnUnreadableOrUnwritableFileCountsAsAbsent) {
  put("cache/ebb/matrix-rate.json", "no JSON");
  EXPECT_EQ(stored_matrix_rate(Dtype::fp32, at::kCPU, 1), 0);
  put("file", "");
  setenv("XDG_CACHE_HOME", (folder_ / "file").c_str(), 1);  // no folder
  store_matrix_rate(Dtype::fp32, at::kCPU, 1, 1e9);
  EXPECT_EQ(stored_matrix_rate(Dtype::fp32, at::kCPU, 1), 0);
}

}  // namespace
}  // namespace ebb::numerics

// SPDX-License-Identifier: Apache-2.0
#include "memory/block_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <unordered_map>

namespace ebb::memory {
namespace {

TEST(BlockTable, TakesWhatWasInsertedOnce) {
  BlockTable table;
  EXPECT_FALSE(table.insert(64, {100, 3}).has_value());
  const auto block = table.extract(64);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->bytes, 100);
  EXPECT_EQ(block->owner, 3U);
  EXPECT_FALSE(table.extract(64).has_value());
  EXPECT_EQ(table.size(), 0U);
}

TEST(BlockTable, ReturnsTheBlockThatItReplaces) {
  BlockTable table;
  table.insert(64, {100, 3});
  const auto before = table.insert(64, {200, 4});
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->bytes, 100);
  EXPECT_EQ(table.size(), 1U);
}

TEST(BlockTable, AddressZeroIsNoBlock) {
  BlockTable table;
  EXPECT_FALSE(table.extract(0).has_value());
  EXPECT_EQ(table.size(), 0U);
}

// Addresses from a small range repeat and collide; the table grows several times.
TEST(BlockTable, AgreesWithAStandardMapOverManyInsertionsAndRemovals) {
  BlockTable table;
  std::unordered_map<std::uintptr_t, std::int64_t> expected;
  std::mt19937 random(7);
  for (int i = 0; i < 300'000; ++i) {
    const std::uintptr_t address = 64 * (1 + random() % 20'000);
    if (random() % 5 < 3) {
      table.insert(address, {i, 1});
      expected[address] = i;
      continue;
    }
    const auto block = table.extract(address);
    const auto there = expected.find(address);
    ASSERT_EQ(block.has_value(), there != expected.end());
    if (block) {
      ASSERT_EQ(block->bytes, there->second);
      expected.erase(there);
    }
  }
  ASSERT_EQ(table.size(), expected.size());
  for (const auto& [address, bytes] : expected) {
    const auto block = table.extract(address);
    ASSERT_TRUE(block.has_value());
    ASSERT_EQ(block->bytes, bytes);
  }
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace ebb::memory

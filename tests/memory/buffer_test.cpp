// SPDX-License-Identifier: Apache-2.0
#include "memory/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"
#include "memory/installed_ledger.h"

namespace ebb::memory {
namespace {

class BufferTest : public ::testing::Test {
 protected:
  Ledger& ledger_ = the_test_ledger();
};

TEST_F(BufferTest, IsAccountedForWhileItLives) {
  {
    const Buffer buffer(1000, Class::data, "slot");
    EXPECT_EQ(buffer.size(), 1000U);
    EXPECT_EQ(live(Class::data, "slot"), 1000);
  }
  EXPECT_EQ(live(Class::data, "slot"), 0);
}

TEST_F(BufferTest, IsAlignedToACacheLine) {
  const Buffer buffer(1, Class::data, "slot");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U);
}

TEST_F(BufferTest, MovesItsBytesWithoutCountingThemTwice) {
  Buffer first(100, Class::communication, "staging");
  Buffer second(std::move(first));
  EXPECT_EQ(live(Class::communication, "staging"), 100);
  Buffer third(7, Class::communication, "staging");
  third = std::move(second);
  EXPECT_EQ(live(Class::communication, "staging"), 100);
  EXPECT_EQ(third.size(), 100U);
  third = Buffer();
  EXPECT_EQ(live(Class::communication, "staging"), 0);
}

TEST_F(BufferTest, AnEmptyBufferHoldsNothing) {
  const Buffer none(0, Class::data, "slot");
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_TRUE(none.bytes().empty());
  EXPECT_EQ(live(Class::data), 0);
}

TEST_F(BufferTest, PinnedIsPageableWhereNoDeviceIsOpen) {
  const Buffer buffer(4096, Class::data, "slot", HostMemory::pinned);
  buffer.bytes().back() = std::byte{7};
  EXPECT_EQ(live(Class::data, "slot"), 4096);
}

TEST_F(BufferTest, AFailureNamesClassOwnerAndBytes) {
  try {
    const Buffer huge(std::size_t{1} << 50, Class::checkpoint, "checkpoint staging");
    FAIL() << "a pebibyte was allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::memory);
    EXPECT_NE(std::string(error.what()).find("checkpoint / checkpoint staging"), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(live(Class::checkpoint), 0);
}

}  // namespace
}  // namespace ebb::memory

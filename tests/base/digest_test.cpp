// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace ebb {
namespace {

// XXH3-64 with seed 0, as xxhsum -H3 prints it.
TEST(Digest, IsXxh3OfTheBytes) {
  EXPECT_EQ(digest_hex(std::string_view()), "2d06800538d394c2");
  EXPECT_EQ(digest_hex(std::string_view("abc")), "78af5f94892f3950");
}

TEST(Digest, IncrementalAndWholeDigestsAreEqual) {
  std::string text(100000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 % 251);
  const auto bytes = std::as_bytes(std::span<const char>(text));
  Digest digest;
  for (std::size_t at = 0, size = 1; at < bytes.size(); at += size, size = size * 2 + 1) {
    digest.add(bytes.subspan(at, std::min(size, bytes.size() - at)));
  }
  EXPECT_EQ(digest.hex(), digest_hex(bytes));
}

TEST(Digest, ChangesWithOneBit) {
  EXPECT_NE(digest_hex(std::string_view("optimizer.lr: 0.001")),
            digest_hex(std::string_view("optimizer.lr: 0.003")));
}

}  // namespace
}  // namespace ebb

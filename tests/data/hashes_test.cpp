// SPDX-License-Identifier: Apache-2.0
#include "data/mds/hashes.h"

#include <gtest/gtest.h>

namespace ebb::data {
namespace {

std::string hash(std::string_view algorithm, std::string_view text, std::size_t chunk = 1 << 20) {
  const auto stream = StreamHash::make(algorithm);
  for (std::size_t at = 0; at < text.size(); at += chunk) {
    stream->add(std::as_bytes(std::span<const char>(text.substr(at, chunk))));
  }
  return stream->hex();
}

// Values published with the algorithms.
TEST(Hashes, AgreeWithPublishedValues) {
  EXPECT_EQ(hash("sha1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hash("sha1", ""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(hash("sha1", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(hash("xxh32", ""), "02cc5d05");
  EXPECT_EQ(hash("xxh64", ""), "ef46db3751d8e999");
  EXPECT_EQ(hash("xxh3_64", ""), "2d06800538d394c2");
  EXPECT_EQ(hash("xxh128", ""), "99aa06d3014798d86001c324468d497f");
}

TEST(Hashes, DoNotDependOnThePiecesThatTheyAreFed) {
  const std::string text(100003, 'x');
  for (const char* algorithm : {"xxh32", "xxh64", "xxh3_64", "xxh128", "sha1"}) {
    for (const std::size_t chunk : {1U, 63U, 64U, 65U, 4096U}) {
      EXPECT_EQ(hash(algorithm, text, chunk), hash(algorithm, text)) << algorithm << " by " << chunk;
    }
    EXPECT_TRUE(StreamHash::knows(algorithm));
  }
}

TEST(Hashes, AnUnknownNameIsNone) {
  EXPECT_EQ(StreamHash::make("sha3_512"), nullptr);
  EXPECT_FALSE(StreamHash::knows("sha3_512"));
}

}  // namespace
}  // namespace ebb::data

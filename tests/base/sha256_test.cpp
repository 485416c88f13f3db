// SPDX-License-Identifier: Apache-2.0
#include "base/sha256.h"

#include <gtest/gtest.h>

#include "support/folder_test.h"

namespace ebb {
namespace {

std::string sha256(std::string_view text) {
  Sha256 digest;
  digest.add(std::as_bytes(std::span<const char>(text.data(), text.size())));
  return digest.hex();
}

// The examples of NIST for FIPS 180-4.
TEST(Sha256, MatchesThePublishedDigests) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// The length of the padding changes at 56 bytes.
TEST(Sha256, PadsEveryLengthOfALastBlock) {
  EXPECT_EQ(sha256(std::string(55, 'a')), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(sha256(std::string(56, 'a')), "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  EXPECT_EQ(sha256(std::string(63, 'a')), "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
  EXPECT_EQ(sha256(std::string(64, 'a')), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST(Sha256, IncrementalAndWholeDigestsAreEqual) {
  std::string text(5000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 % 251);
  const auto bytes = std::as_bytes(std::span<const char>(text));
  Sha256 digest;
  for (std::size_t at = 0, size = 1; at < bytes.size(); at += size, size = size * 2 + 1)
    digest.add(bytes.subspan(at, std::min(size, bytes.size() - at)));
  EXPECT_EQ(digest.hex(), sha256(text));
}

using Sha256File = test::FolderTest;

TEST_F(Sha256File, IsThatOfItsBytes) {
  const std::string text((std::size_t{1} << 20) + 77, 'z');  // longer than one part
  put("file", text);
  EXPECT_EQ(sha256_of_file(folder_ / "file", ExitCode::usage), sha256(text));
  try {
    sha256_of_file(folder_ / "none", ExitCode::usage);
    FAIL() << "a missing file has no digest";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
  }
}

}  // namespace
}  // namespace ebb

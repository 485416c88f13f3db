// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/token_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "data/fixtures.h"

namespace ebb::data {
namespace {

using testing::expect_error;
using testing::Scratch;
using testing::write_bytes;

template <class T>
std::string packed(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <class T>
std::string llmc(std::int32_t magic, std::int32_t version, const std::vector<T>& tokens) {
  std::vector<std::int32_t> header(256);
  header[0] = magic;
  header[1] = version;
  header[2] = static_cast<std::int32_t>(tokens.size());
  return packed(header) + packed(tokens);
}

std::string index_of(std::uint8_t dtype, std::int64_t width, const std::vector<std::int32_t>& lengths,
                     const std::vector<std::int64_t>& documents) {
  std::vector<std::int64_t> places;
  std::int64_t byte = 0;
  for (const std::int32_t length : lengths) {
    places.push_back(byte);
    byte += length * width;
  }
  return std::string("MMIDIDX\0\0", 9) + packed<std::uint64_t>({1}) + packed<std::uint8_t>({dtype}) +
         packed<std::uint64_t>({lengths.size(), documents.size()}) + packed(lengths) + packed(places) +
         packed(documents);
}

class TokenFileTest : public ::testing::Test {
 protected:
  static std::vector<std::int32_t> all(const TokenFile& file) {
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.size()));
    file.read(0, tokens);
    return tokens;
  }
  void expect_refused(const std::string& name, const std::vector<std::string>& words) const {
    expect_error(ExitCode::data, words, [&] { TokenFile file(dir_ / name); });
  }
  Scratch dir_;
};

TEST_F(TokenFileTest, ReadsBothWidthsOfLlmC) {
  write_bytes(dir_ / "gpt2.bin", llmc<std::uint16_t>(20240520, 1, {1, 50256, 65535}));
  const TokenFile narrow(dir_ / "gpt2.bin");
  EXPECT_EQ(narrow.format(), TokenFileFormat::llmc);
  EXPECT_EQ(narrow.token_bytes(), 2);
  EXPECT_EQ(all(narrow), (std::vector<std::int32_t>{1, 50256, 65535}));
  write_bytes(dir_ / "llama.bin", llmc<std::uint32_t>(20240801, 7, {128000, 0, 7}));
  const TokenFile wide(dir_ / "llama.bin");
  EXPECT_EQ(wide.token_bytes(), 4);
  EXPECT_EQ(all(wide), (std::vector<std::int32_t>{128000, 0, 7}));
}

TEST_F(TokenFileTest, ReadsAnyRange) {
  std::vector<std::uint16_t> tokens(20000);
  std::iota(tokens.begin(), tokens.end(), std::uint16_t{0});
  write_bytes(dir_ / "t.bin", llmc(20240520, 1, tokens));
  const TokenFile file(dir_ / "t.bin");
  std::vector<std::int32_t> part(10001);
  file.read(9999, part);
  for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], 9999 + static_cast<std::int32_t>(i));
  file.read(20000, std::span(part).first(0));
  EXPECT_THROW(file.read(10000, part), Error);
  EXPECT_THROW(file.read(-1, std::span(part).first(1)), Error);
}

TEST_F(TokenFileTest, ReadsTokensWithoutAHeaderWhereAsked) {
  write_bytes(dir_ / "train.bin", packed<std::uint16_t>({5, 6, 7}));
  expect_refused("train.bin", {"train.bin", "6 bytes", "without a header"});
  const TokenFile file(dir_ / "train.bin", TokenFileFormat::raw_u16);
  EXPECT_EQ(all(file), (std::vector<std::int32_t>{5, 6, 7}));
  write_bytes(dir_ / "odd.bin", "123");
  expect_error(ExitCode::data, {"odd.bin", "truncated"},
               [&] { TokenFile(dir_ / "odd.bin", TokenFileFormat::raw_u16); });
}

TEST_F(TokenFileTest, ReadsMegatronByEitherOfItsFiles) {
  write_bytes(dir_ / "m.bin", packed<std::int32_t>({10, 11, 12, 13, 14}));
  write_bytes(dir_ / "m.idx", index_of(4, 4, {2, 3}, {0, 1, 2}));
  for (const char* name : {"m.bin", "m.idx"}) {
    const TokenFile file(dir_ / name);
    EXPECT_EQ(file.format(), TokenFileFormat::megatron);
    EXPECT_EQ(file.documents(), 2);
    EXPECT_EQ(all(file), (std::vector<std::int32_t>{10, 11, 12, 13, 14}));
  }
  write_bytes(dir_ / "m.idx",
              index_of(4, 4, {2, 3}, {0, 1, 2}) + std::string(2, '\0'));  // a mode for each sequence
  EXPECT_EQ(TokenFile(dir_ / "m.bin").size(), 5);
}

TEST_F(TokenFileTest, RefusesWhatIsNoTokenFileOrWasCutShort) {
  write_bytes(dir_ / "magic.bin", llmc<std::uint16_t>(7, 1, {1}));
  expect_refused("magic.bin", {"magic.bin, byte 0", "begins with 7", "20240520"});
  write_bytes(dir_ / "version.bin", llmc<std::uint16_t>(20240520, 2, {1}));
  expect_refused("version.bin", {"byte 4", "version is 2", "version 1"});
  const std::string whole = llmc<std::uint16_t>(20240520, 1, {1, 2, 3, 4});
  write_bytes(dir_ / "cut.bin", whole.substr(0, whole.size() - 2));
  expect_refused("cut.bin", {"byte 8", "counts 4 tokens", "6 bytes follow", "truncated"});
  write_bytes(dir_ / "odd.bin", whole.substr(0, whole.size() - 1));
  expect_refused("odd.bin", {"7 bytes follow", "truncated"});
  expect_refused("nowhere.bin", {"nowhere.bin"});
}

TEST_F(TokenFileTest, RefusesAMegatronIndexThatDoesNotFit) {
  write_bytes(dir_ / "m.bin", packed<std::int32_t>({10, 11, 12, 13, 14}));
  const auto refused = [&](const std::string& index, const std::vector<std::string>& words) {
    write_bytes(dir_ / "m.idx", index);
    expect_refused("m.bin", words);
  };
  const std::string good = index_of(4, 4, {2, 3}, {0, 1, 2});
  refused("MMIDIDX", {"m.idx", "fewer than its header"});
  refused("X" + good.substr(1), {"m.idx, byte 0", "MMIDIDX"});
  refused(std::string(good).replace(9, 1, "\2"), {"byte 9", "version is 2"});
  refused(index_of(7, 4, {2, 3}, {0, 2}), {"byte 17", "dtype code is 7"});
  refused(good.substr(0, good.size() - 1), {"byte 18", "2 sequences"});
  refused(std::string(good).replace(18, 8, 8, '\xff'), {"byte 18", "more than its"});
  refused(index_of(4, 4, {2, -3}, {0, 2}), {"byte 38", "sequence 1 has a length of -3"});
  std::string moved = good;
  moved[34 + 8 + 8] = 9;
  refused(moved, {"byte 50", "sequence 1 begins at byte 9", "ends at 8"});
  refused(index_of(4, 4, {2, 2}, {0, 2}), {"m.bin", "20 bytes", "4 tokens of 4 bytes"});
}

TEST_F(TokenFileTest, NamesATokenOutsideOfTheVocabulary) {
  write_bytes(dir_ / "t.bin", llmc<std::uint16_t>(20240520, 1, {1, 2, 300}));
  const TokenFile file(dir_ / "t.bin");
  std::vector<std::int32_t> two(2);
  file.read(0, two, 256);
  expect_error(ExitCode::data, {"t.bin, byte 1028", "token 2 is 300", "0 to 255"},
               [&] { file.read(1, two, 256); });
  write_bytes(dir_ / "m.bin", packed<std::int64_t>({std::int64_t{1} << 40}));
  write_bytes(dir_ / "m.idx", index_of(5, 8, {1}, {0, 1}));
  std::vector<std::int32_t> one(1);
  expect_error(ExitCode::data, {"m.bin, byte 0", "1099511627776"},
               [&] { TokenFile(dir_ / "m.bin").read(0, one); });
}

TEST_F(TokenFileTest, InspectTellsAPersonWhatIsThere) {
  write_bytes(dir_ / "t.bin", llmc<std::uint16_t>(20240520, 1, {464, 2, 50256}));
  const std::string text = inspect(builtin_formats(), dir_ / "t.bin");
  for (const char* part :
       {"t.bin", "llm.c, 2 bytes per token", "tokens       3", "2 to 50256", "464 2 50256"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in:\n" << text;
}

}  // namespace
}  // namespace ebb::data

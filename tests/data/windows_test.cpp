// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/windows.h"

#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "data/fixtures.h"

namespace ebb::data {
namespace {

using testing::expect_error;
using testing::Scratch;

class WindowsTest : public ::testing::Test {
 protected:
  // A file of u16 without a header: first, first + 1, …
  void write(const std::string& name, int first, int count) {
    std::filesystem::create_directories((dir_ / name).parent_path());
    std::string bytes;
    for (int token = first; token < first + count; ++token) {
      bytes += static_cast<char>(token & 0xff);
      bytes += static_cast<char>(token >> 8);
    }
    testing::write_bytes(dir_ / name, bytes);
  }
  [[nodiscard]] std::unique_ptr<Dataset> open(const std::string& split, std::int64_t tokens,
                                              std::int64_t vocabulary = 65536) const {
    return open_windows(dir_ / split, {tokens, vocabulary, TokenFileFormat::raw_u16});
  }
  static std::vector<std::int32_t> read(Dataset& dataset, std::int64_t window) {
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(dataset.spec().at(core::kTokensField).dims[0]));
    testing::read_only_field(dataset, window, std::as_writable_bytes(std::span(tokens)));
    return tokens;
  }
  Scratch dir_;
};

TEST_F(WindowsTest, EveryTokenButTheFirstIsPredictedOnce) {
  write("train.bin", 0, 13);  // 12 to predict: 3 windows of 4
  const auto dataset = open("train", 4);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->spec(), (core::SampleSpec{{core::tokens_field(4)}}));
  EXPECT_EQ(read(*dataset, 0), (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(read(*dataset, 2), (std::vector<std::int32_t>{8, 9, 10, 11, 12}));
  EXPECT_EQ(open("train", 5)->size(), 2);
  EXPECT_EQ(open("train", 12)->size(), 1);
}

TEST_F(WindowsTest, IdsWithFewerBitsThanTheVocabularyNeedsAreRefused) {
  write("train.bin", 0, 13);
  EXPECT_EQ(open("train", 4, 65536)->size(), 3);
  expect_error(ExitCode::data,
               {"train.bin", "16 bits", "0 to 65535", "model.vocabulary is 65537", "at most 65536"},
               [&] { (void)open("train", 4, 65537); });
}

TEST_F(WindowsTest, FilesOfAFolderFollowByName) {
  write("train/b.bin", 100, 9);
  write("train/a.bin", 0, 6);
  write("train/c.bin", 50, 3);  // too short for a window
  write("train/notes.txt", 0, 50);
  const auto dataset = open("train", 4);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(read(*dataset, 0).front(), 0);
  EXPECT_EQ(read(*dataset, 1).front(), 100);
  EXPECT_EQ(read(*dataset, 2).back(), 108);
}

TEST_F(WindowsTest, RefusesWhatCannotBe) {
  expect_error(ExitCode::data, {"train.bin", "ebb data pack"}, [&] { (void)open("train", 4); });
  write("train.bin", 0, 4);
  expect_error(ExitCode::data, {"4 tokens", "data.context 4", "at most 3"}, [&] { (void)open("train", 4); });
  testing::write_bytes(dir_ / "empty.bin", "");
  expect_error(ExitCode::data, {"0 tokens", "): add more text"}, [&] { (void)open("empty", 4); });
  std::string header(1024, '\0');
  header.replace(0, 4, "\x88\xd8\x34\x01");  // 20240520
  testing::write_bytes(dir_ / "header.bin", header);
  expect_error(ExitCode::data, {"header of llm.c", "data.format=tokens"}, [&] { (void)open("header", 4); });
  const auto dataset = open("train", 3, 3);
  expect_error(ExitCode::data, {"train.bin", "byte 6", "3"}, [&] { read(*dataset, 0); });
}

}  // namespace
}  // namespace ebb::data

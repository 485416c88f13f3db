// SPDX-License-Identifier: Apache-2.0
#include "telemetry/rotated_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "support/folder_test.h"
#include "telemetry/packed_file.h"

namespace ebb::telemetry {
namespace {

constexpr std::int64_t kLimit = 80'000;
constexpr std::int64_t kMost = std::int64_t{1} << 20;  // bytes that a part of these tests unpacks to

class RotatedLogTest : public test::FolderTest {
 protected:
  [[nodiscard]] std::filesystem::path path() const { return folder_ / "log.jsonl"; }
  // Writes the lines of the steps from `first` to `end` - 1.
  void write(std::int64_t first, std::int64_t end) const {
    RotatedLog log(path(), kLimit, first);
    for (std::int64_t step = first; step < end; ++step) log.line(line_of(step));
  }
  // 60 random digits, so that a packed file is not much smaller.
  static std::string line_of(std::int64_t step) {
    std::mt19937_64 random(static_cast<std::uint64_t>(step));
    return fmt::format(R"({{"step":{},"noise":"{:020}{:020}{:020}"}})", step, random(), random(), random());
  }
  // The steps in all files, the oldest first.
  [[nodiscard]] std::vector<std::int64_t> steps() const {
    std::string all;
    for (const auto& part : packed_parts(path())) {
      unpack_file(part, folder_ / "unpacked", kMost);
      all += contents("unpacked");
    }
    std::istringstream text(all + contents("log.jsonl"));
    std::vector<std::int64_t> found;
    for (std::string line; std::getline(text, line);) found.push_back(nlohmann::json::parse(line).at("step"));
    return found;
  }
  static std::vector<std::int64_t> range(std::int64_t first, std::int64_t end) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(end - first));
    std::iota(all.begin(), all.end(), first);
    return all;
  }
  [[nodiscard]] std::int64_t bytes() const {
    std::uintmax_t total = std::filesystem::file_size(path());
    for (const auto& part : packed_parts(path())) total += std::filesystem::file_size(part);
    return static_cast<std::int64_t>(total);
  }
};

TEST_F(RotatedLogTest, PacksFullFilesAndKeepsEachLineInOrder) {
  write(0, 350);
  ASSERT_GE(packed_parts(path()).size(), 2U);
  EXPECT_EQ(packed_parts(path()).front().filename(), "log.000000.jsonl.zst");
  EXPECT_EQ(steps(), range(0, 350));
  EXPECT_EQ(first_line_of_packed(packed_parts(path()).front()), line_of(0));
}

TEST_F(RotatedLogTest, RemovesTheOldestPartsBeyondTheLimit) {
  write(0, 4000);
  const std::vector<std::int64_t> left = steps();
  EXPECT_LE(bytes(), kLimit);
  EXPECT_GT(bytes(), kLimit / 2) << "it removes no more than it must";
  ASSERT_FALSE(left.empty());
  EXPECT_GT(left.front(), 0);
  EXPECT_EQ(left, range(left.front(), 4000)) << "the newest ones, without a gap";
}

// In the newest file, at its first line, in a packed one, at the start.
TEST_F(RotatedLogTest, ARunThatResumesAnywhereGoesOnWithoutAGapOrARepetition) {
  for (const std::int64_t resumed : {349, 300, 150, 101, 1, 0}) {
    write(0, 350);
    write(resumed, resumed + 200);
    EXPECT_EQ(steps(), range(0, resumed + 200)) << resumed;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
}

TEST_F(RotatedLogTest, LinesThatAKilledProcessLeftTwiceAreThereOnce) {
  write(0, 150);
  unpack_file(packed_parts(path()).back(), path(),
              kMost);  // as before the removal of the packed file's source
  const std::vector<std::int64_t> twice = steps();
  const std::int64_t last = twice.back();
  ASSERT_GT(std::ssize(twice), last + 1);
  ASSERT_GT(last, 50);
  write(150, 150);
  EXPECT_EQ(steps(), range(0, last + 1));
}

TEST_F(RotatedLogTest, ADamagedPartIsSetAside) {
  write(0, 350);
  const auto parts = packed_parts(path());
  ASSERT_GE(parts.size(), 2U);
  std::filesystem::resize_file(parts.back(), 100);
  write(150, 160);
  EXPECT_TRUE(std::filesystem::exists(parts.back().string() + ".damaged"));
  std::vector<std::int64_t> left = steps();
  EXPECT_EQ(std::vector(left.end() - 10, left.end()), range(150, 160));
  EXPECT_EQ(std::vector(left.begin(), left.end() - 10), range(0, left[left.size() - 11] + 1));
}

// The end of the file is also the end of a block of the reader.
TEST_F(RotatedLogTest, AFileOfWholeBlocksIsUnpacked) {
  const std::string text = std::string((64 << 10) - 1, 'x') + "\n";
  put("blocks", text + text);
  pack_file(folder_ / "blocks", folder_ / "packed");
  unpack_file(folder_ / "packed", folder_ / "unpacked", 2 * std::ssize(text));
  EXPECT_EQ(contents("unpacked"), text + text);
  EXPECT_THROW(unpack_file(folder_ / "packed", folder_ / "unpacked", 2 * std::ssize(text) - 1), DamagedPart);
}

// A packed file of a few KB may hold any number of equal bytes.
TEST_F(RotatedLogTest, APartThatEbbHasNotWrittenIsSetAside) {
  const std::string long_line(3 << 20, 'x'), large = line_of(1) + "\n" + std::string(80 << 20, '\n');
  for (const std::string& text :
       {long_line, large, std::string("{\"step\":\"x\"}\n"), std::string("[1]\n")}) {
    put("unpacked", text);
    const auto part = folder_ / "log.000000.jsonl.zst";
    pack_file(folder_ / "unpacked", part);
    write(5, 8);
    EXPECT_TRUE(std::filesystem::exists(part.string() + ".damaged")) << text.substr(0, 20);
    EXPECT_EQ(steps(), range(5, 8));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
  }
}

// It is in no part, though both begin with an empty line.
TEST_F(RotatedLogTest, AnEmptyLineIsNoSignOfAPartThatIsThereTwice) {
  put("log.jsonl", line_of(0) + "\n");
  pack_file(path(), folder_ / "log.000000.jsonl.zst");
  std::filesystem::resize_file(folder_ / "log.000000.jsonl.zst", 10);
  put("log.jsonl", "\n" + line_of(1) + "\n");
  write(2, 2);
  EXPECT_EQ(packed_parts(path()).size(), 1U);
}

TEST_F(RotatedLogTest, TheNewestFileAlwaysHasTheNewestLine) {
  RotatedLog log(path(), kLimit, 0);
  for (std::int64_t step = 0; step < 300; ++step) {
    log.line(line_of(step));
    ASSERT_TRUE(contents("log.jsonl").ends_with(line_of(step) + "\n"));
  }
}

}  // namespace
}  // namespace ebb::telemetry

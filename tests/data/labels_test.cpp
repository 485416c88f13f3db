// SPDX-License-Identifier: Apache-2.0
#include "data/labels.h"

#include <gmock/gmock.h>

#include "data/counting_format.h"
#include "data/fixtures.h"
#include "data/mds/index.h"

namespace ebb::data {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SpreadEvenly, ContainsFirstAndLastAndNoneTwice) {
  EXPECT_THAT(spread_evenly(0, 4), IsEmpty());
  EXPECT_THAT(spread_evenly(1, 4), ElementsAre(0));
  EXPECT_THAT(spread_evenly(4, 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(spread_evenly(5, 4), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(spread_evenly(10, 2), ElementsAre(0, 9));
  for (const std::int64_t count : {4097, 5000, 1 << 20}) {
    const auto all = spread_evenly(count, 4096);
    ASSERT_EQ(all.size(), 4096U);
    EXPECT_EQ(all.front(), 0);
    EXPECT_EQ(all.back(), count - 1);
    for (std::size_t i = 1; i < all.size(); ++i) {
      ASSERT_GT(all[i], all[i - 1]);
      ASSERT_LE(all[i] - all[i - 1], count / 4095 + 1);
    }
  }
}

TEST(CheckedLabels, RefusesALabelWhenItIsRead) {
  // Sample i has the label 30 + i, as its second field.
  const std::vector<std::string> fields = {std::string(core::kTokensField), std::string(core::kLabelField)};
  const auto dataset =
      with_checked_labels(std::make_unique<CountingDataset>(30, 10, fields), 37, "numbers/train");
  EXPECT_EQ(dataset->size(), 10);
  EXPECT_EQ(dataset->spec().fields.at(1), core::label_field());
  std::int32_t tokens[2] = {};
  std::int64_t label = 0;
  const std::vector<std::span<std::byte>> sample = {std::as_writable_bytes(std::span(tokens)),
                                                    std::as_writable_bytes(std::span(&label, 1))};
  dataset->read(6, sample);
  EXPECT_EQ(label, 36);
  EXPECT_EQ(tokens[0], 36);
  expect_error(ExitCode::data, {"numbers/train: sample 7", "the label 37", "0 to 36", "model.classes"},
               [&] { dataset->read(7, sample); });
  expect_error(ExitCode::internal, {"no sample 10"}, [&] { dataset->read(10, sample); });
}

TEST(CheckedLabels, RefusesANegativeOne) {
  const auto dataset = with_checked_labels(
      std::make_unique<CountingDataset>(-1, 2, std::vector{std::string(core::kLabelField)}), 10,
      "numbers/train");
  std::int64_t label = 5;
  expect_error(ExitCode::data, {"the label -1", "0 to 9"},
               [&] { read_only_field(*dataset, 0, std::as_writable_bytes(std::span(&label, 1))); });
  read_only_field(*dataset, 1, std::as_writable_bytes(std::span(&label, 1)));
  EXPECT_EQ(label, 0);
}

// An MDS split of labels alone, one byte each.
void write_labels(const fs::path& folder, const std::vector<std::uint8_t>& labels,
                  const std::string& compression, std::int64_t shard_bytes) {
  fs::create_directories(folder);
  MdsWriter writer(folder, {{"label", "uint8", {}}}, {shard_bytes, compression});
  for (const std::uint8_t& label : labels) {
    const std::span<const std::byte> bytes = std::as_bytes(std::span(&label, 1));
    writer.write({&bytes, 1});
  }
  writer.finish();
}

class MdsLabels : public ::testing::TestWithParam<const char*> {
 protected:
  void write(const std::vector<std::uint8_t>& labels, std::int64_t shard_bytes = 1000) {
    write_labels(dir_ / "train", labels, GetParam(), shard_bytes);
  }
  [[nodiscard]] std::unique_ptr<Dataset> open(std::int64_t classes) const {
    MdsOptions options;
    options.fields = {std::string(core::kLabelField)};
    options.classes = classes;
    return open_mds(dir_ / "train", options);
  }
  Scratch dir_;
};
INSTANTIATE_TEST_SUITE_P(Compressions, MdsLabels, ::testing::Values("none", "zstd"));

TEST_P(MdsLabels, OpeningChecksThemAll) {
  std::vector<std::uint8_t> labels(600, 3);
  write(labels);
  EXPECT_EQ(open(4)->size(), 600);
  // The first, the last, and one in the middle of a shard.
  for (const std::size_t wrong : {0U, 599U, 301U}) {
    labels.assign(600, 3);
    labels[wrong] = 4;
    fs::remove_all(dir_ / "train");
    write(labels);
    expect_error(ExitCode::data,
                 {(dir_ / "train/shard.").string(), "(sample " + std::to_string(wrong) + " of the dataset)",
                  "the label 4", "0 to 3", "model.classes"},
                 [this] { (void)open(4); });
    EXPECT_EQ(open(5)->size(), 600);
  }
}

TEST_P(MdsLabels, OpeningChecksAPartOfALargeDataset) {
  std::vector<std::uint8_t> labels(10000, 3);
  labels[1] = 9;  // between two of the samples that are checked
  write(labels, 1 << 20);
  const auto dataset = open(4);
  std::int64_t label = 0;
  read_only_field(*dataset, 1, std::as_writable_bytes(std::span(&label, 1)));
  EXPECT_EQ(label, 9);
  labels.back() = 9;
  fs::remove_all(dir_ / "train");
  write(labels, 1 << 20);
  expect_error(ExitCode::data, {"(sample 9999 of the dataset)"}, [this] { (void)open(4); });
}

TEST_P(MdsLabels, ADamagedShardIsNamedAsSuch) {
  write(std::vector<std::uint8_t>(20, 3), 1 << 20);
  const fs::path shard = read_mds_index(dir_ / "train").reads_packed(0) ? dir_ / "train/shard.00000.mds.zstd"
                                                                        : dir_ / "train/shard.00000.mds";
  std::string bytes = read_bytes(shard);
  bytes.back() = static_cast<char>(bytes.back() ^ 64);
  write_bytes(shard, bytes);
  expect_error(ExitCode::data, {shard.string(), "damaged"}, [this] { (void)open(4); });
}

TEST(MdsLabelsOfManyShards, AtMostEightAreUnpacked) {
  Scratch dir;
  std::vector<std::uint8_t> labels(3000, 3);
  write_labels(dir / "train", labels, "zstd", 400);
  const MdsIndex index = read_mds_index(dir / "train");
  ASSERT_GT(index.shards.size(), 20U);
  // The others cannot be unpacked any more.
  const auto opened = spread_evenly(std::ssize(index.shards), 8);
  for (std::size_t i = 0; i < index.shards.size(); ++i) {
    if (std::ranges::find(opened, static_cast<std::int64_t>(i)) != opened.end()) continue;
    const std::string bytes = read_bytes(index.packed_path(i));
    write_bytes(index.packed_path(i), std::string(bytes.size(), 'x'));
  }
  MdsOptions options;
  options.fields = {std::string(core::kLabelField)};
  options.classes = 4;
  EXPECT_EQ(open_mds(dir / "train", options)->size(), 3000);
}

TEST(LabelCounts, ShowTwentyAndHowManyOthersThereAre) {
  EXPECT_EQ(label_counts_text({{-1, 2}, {5, 1}}), "-1: 2, 5: 1");
  std::map<std::int64_t, std::int64_t> counts;
  for (int label = 0; label < 20; ++label) counts[label] = 1;
  EXPECT_TRUE(label_counts_text(counts).ends_with(", 19: 1"));
  for (int label = 20; label < 23; ++label) counts[label] = 1;
  EXPECT_TRUE(label_counts_text(counts).ends_with(", 19: 1, and 3 more"));
}

}  // namespace
}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
// Two splits whose samples differ are refused when they are opened, which is before training.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/sample.h"
#include "support/folder_test.h"
#include "support/test_world.h"
#include "train/packed_split.h"
#include "train/training_data.h"

namespace ebb::train {
namespace {

using ::testing::HasSubstr;

// It has a spec and no content.
class DescribedDataset final : public data::Dataset {
 public:
  explicit DescribedDataset(core::SampleSpec spec) : spec_(std::move(spec)) {}
  [[nodiscard]] std::int64_t size() const override { return 100; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  void read(std::int64_t, data::SampleBytes) override {}

 private:
  core::SampleSpec spec_;
};

struct Keyless {
  void describe(config::Section&) {}
};

models::Families reader_of(const std::vector<std::string>& fields) {
  models::Family family;
  family.name = "reader";
  family.reads = fields;
  family.new_config = [] { return std::make_unique<models::FamilyConfigOf<Keyless>>(); };
  return {family};
}

core::SampleSpec spec_of(std::vector<core::FieldSpec> fields) {
  core::SampleSpec spec;
  spec.fields = std::move(fields);
  return spec;
}

// A dataset whose splits have these specs. The specs have the same names of fields.
Config described_data(const core::SampleSpec& of_train, const core::SampleSpec& of_test) {
  std::vector<std::string> names;
  for (const core::FieldSpec& field : of_train.fields) names.push_back(field.name);
  data::Format format;
  format.name = "described";
  format.fields = names;
  format.open = [of_train, of_test](const data::DataConfig&, const data::SplitRequest& request) {
    return std::make_unique<DescribedDataset>(request.split == "train" ? of_train : of_test);
  };
  Config config(Registries{reader_of(names), {format}});
  config.data.source = "/the/data";
  return config;
}

struct Refusal {
  ExitCode code = ExitCode::ok;  // ok: both splits were opened
  std::string text;
};

Refusal refusal_of(const Config& config) {
  Refusal refusal;
  try {
    (void)open_splits(config, test::test_world());
  } catch (const Error& error) {
    refusal.code = error.code();
    refusal.text = error.what();
  }
  return refusal;
}

TEST(Contents, OfAllRanksAreThoseOfRank0) {
  const core::SampleSpec label = spec_of({core::label_field()});
  Splits splits{std::make_unique<DescribedDataset>(label), std::make_unique<DescribedDataset>(label)};
  Config config = described_data(label, label);
  config.parallel.timeout_s = 60;
  comm::World& world = test::test_world();
  EXPECT_THAT(contents_of_all_ranks(config, splits, world),
              ::testing::MatchesRegex("100 samples, digest [0-9a-f]{16}"));
  if (world.size() == 1) return;
  // The last rank has another dataset.
  if (world.rank() == world.size() - 1)
    splits.train = std::make_unique<DescribedDataset>(spec_of({core::image_field(1, 2, 2)}));
  try {
    contents_of_all_ranks(config, splits, world);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
  }
}

TEST(SplitMismatch, IsRefusedWithTheFiguresAndThePathOfBothSplits) {
  struct Pair {
    const char* what;
    core::SampleSpec of_train, of_test;
    std::string train_text, test_text;
  };
  const core::FieldSpec label = core::label_field();
  core::FieldSpec small_label = label;
  small_label.type = core::ElementType::i32;
  const core::FieldSpec image = core::image_field(3, 32, 32);
  const std::vector<Pair> pairs = {
      {"channels", spec_of({image}), spec_of({core::image_field(1, 32, 32)}), "image u8 [3, 32, 32]",
       "image u8 [1, 32, 32]"},
      {"size", spec_of({image, label}), spec_of({core::image_field(3, 32, 28), label}),
       "image u8 [3, 32, 32], label i64 []", "image u8 [3, 32, 28], label i64 []"},
      {"type", spec_of({image, label}), spec_of({image, small_label}), "image u8 [3, 32, 32], label i64 []",
       "image u8 [3, 32, 32], label i32 []"},
      {"tokens of a window", spec_of({core::tokens_field(128)}), spec_of({core::tokens_field(64)}),
       "tokens i32 [129]", "tokens i32 [65]"},
  };
  for (const Pair& pair : pairs) {
    SCOPED_TRACE(pair.what);
    const Refusal refusal = refusal_of(described_data(pair.of_train, pair.of_test));
    EXPECT_EQ(refusal.code, ExitCode::data);
    for (const std::string& text :
         {"/the/data/train has " + pair.train_text + ",", "/the/data/test has " + pair.test_text + "."})
      EXPECT_THAT(refusal.text, HasSubstr(text));
    for (const auto& spec : {pair.of_train, pair.of_test})
      EXPECT_EQ(refusal_of(described_data(spec, spec)).code, ExitCode::ok);
  }
}

class PackedSplits : public test::FolderTest {
 protected:
  [[nodiscard]] Refusal refusal_of_reading(const std::vector<std::string>& fields) const {
    Config config(Registries{reader_of(fields), data::builtin_formats()});
    config.data.source = folder_.string();
    return refusal_of(config);
  }
  [[nodiscard]] std::string path_of(const char* split) const { return (folder_ / split).string(); }

  const std::string image_ = std::string(core::kImageField), label_ = std::string(core::kLabelField);
};

TEST_F(PackedSplits, WithImagesOfOtherSizesAreRefused) {
  test::pack_split(path_of("train"), {.channels = 3, .side = 8});
  test::pack_split(path_of("test"), {.channels = 1, .side = 6});
  const Refusal refusal = refusal_of_reading({image_});
  EXPECT_EQ(refusal.code, ExitCode::data);
  EXPECT_THAT(refusal.text, HasSubstr(path_of("train") + " has image u8 [3, 8, 8]"));
  EXPECT_THAT(refusal.text, HasSubstr(path_of("test") + " has image u8 [1, 6, 6]"));
}

// A model that reads no labels trains on them all the same.
TEST_F(PackedSplits, WithLabelsInOneAloneAreRefusedIfTheModelReadsThem) {
  test::pack_split(path_of("train"), {.classes = 3});
  test::pack_split(path_of("test"), {.classes = 0});
  EXPECT_EQ(refusal_of_reading({image_}).code, ExitCode::ok);
  const Refusal refusal = refusal_of_reading({image_, label_});
  EXPECT_EQ(refusal.code, ExitCode::data);
  EXPECT_THAT(refusal.text, HasSubstr(path_of("test") + " has no column 'label'"));
  EXPECT_THAT(refusal.text, HasSubstr("pack the split with that column"));
}

}  // namespace
}  // namespace ebb::train

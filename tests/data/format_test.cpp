// SPDX-License-Identifier: Apache-2.0
#include "data/format.h"

#include "config/document.h"
#include "data/config.h"
#include "data/counting_format.h"
#include "data/fixtures.h"

namespace ebb::data {
namespace {

using namespace testing;

void load(DataConfig& data, const std::string& yaml) {
  Scratch dir;
  write_bytes(dir / "run.yaml", yaml);
  config::Section root;
  root.section("data", data, "What the run reads.");
  config::load(dir / "run.yaml", {}, root);
}

TEST(Formats, EachBuiltinOneIsComplete) {
  const Formats formats = builtin_formats();
  for (const Format& format : formats) {
    EXPECT_FALSE(format.doc.empty()) << format.name;
    EXPECT_FALSE(format.fields.empty()) << format.name;
    EXPECT_NE(format.sample_noun, nullptr) << format.name;
    EXPECT_NE(format.open, nullptr) << format.name;
    EXPECT_EQ(format.recognizes == nullptr, format.inspect == nullptr) << format.name;
    EXPECT_FALSE(format.texts.source.empty()) << format.name;
    EXPECT_EQ(format.recognizes == nullptr, format.texts.path.empty()) << format.name;
    if (format.packer) {
      EXPECT_FALSE(format.packer->output.empty()) << format.name;
      EXPECT_FALSE(format.packer->input.empty()) << format.name;
      EXPECT_FALSE(format.packer->unit.empty()) << format.name;
      EXPECT_NE(format.packer->pack, nullptr) << format.name;
    }
    EXPECT_EQ(&find_format(formats, format.name), &format) << "the name occurs twice";
  }
  EXPECT_EQ(formats_providing(formats, core::kTokensField), "tokens, raw_u16");
  expect_error(ExitCode::usage, {"no format tar", "mds, tokens, raw_u16"},
               [&formats] { (void)find_format(formats, "tar"); });
}

TEST(Formats, AFormatOwnsItsKeys) {
  DataConfig data(builtin_formats());
  load(data, "data: {source: a, format: raw_u16, context: 7}\n");
  EXPECT_EQ(data.context, 7);
  EXPECT_TRUE(data.provides(core::kTokensField));
  EXPECT_EQ(data.entry().sample_noun(data), "windows of 7 tokens");
  expect_error(ExitCode::usage, {"data.context", "data.format is tokens or raw_u16"}, [] {
    DataConfig other(builtin_formats());
    load(other, "data: {source: a, format: mds, context: 7}\n");
  });
}

TEST(Formats, KeysOfPicturesAreOfTheirFormatOnly) {
  DataConfig data(builtin_formats());
  load(data, "data: {source: a, format: pictures, size: 64, crop: center, channels: 1, test_share: 0.1}\n");
  EXPECT_EQ(data.pictures.size, 64);
  EXPECT_TRUE(data.pictures.crop);
  EXPECT_EQ(data.pictures.channels, 1);
  EXPECT_EQ(data.test_share, 0.1);
  const auto refused = [](const std::string& keys, const std::vector<std::string>& words) {
    expect_error(ExitCode::usage, words, [&keys] {
      DataConfig other(builtin_formats());
      load(other, "data: {source: a, " + keys + "}\n");
    });
  };
  for (const char* key : {"size: 64", "crop: center", "channels: 1", "test_share: 0.1"})
    refused(std::string("format: tokens, ") + key, {"applies only where data.format is", "pictures"});
  refused("format: mds, test_share: 0.1", {"applies only where data.format is", "pictures"});
  refused("format: pictures, channels: 2", {"data.channels", "1, 3 or 4 channels, not 2"});
  refused("format: pictures, channels: 5", {"data.channels", "4"});
  refused("format: pictures, size: 0", {"data.size"});
  refused("format: pictures, crop: random", {"data.crop", "center"});
  refused("format: pictures, test_share: 1", {"data.test_share", "0.9"});
}

TEST(Formats, AutoIsTheFormatOfTheSource) {
  Scratch dir;
  write_split(dir / "shards/train", 20);
  fs::create_directories(dir / "text/train");
  write_bytes(dir / "text/train/a.bin", "x");
  fs::create_directories(dir / "words");
  write_bytes(dir / "words/train.bin", "x");
  fs::create_directories(dir / "pics/train/cat");
  write_bytes(dir / "pics/train/cat/1.JPG", "x");
  fs::create_directories(dir / "nothing");
  for (const auto& [folder, format] :
       std::vector<std::pair<std::string, std::string>>{{"shards", "mds"},
                                                        {"shards/train", "mds"},
                                                        {"text", "tokens"},
                                                        {"words", "tokens"},
                                                        {"pics", "pictures"}}) {
    DataConfig data(builtin_formats());
    load(data, "data: {source: " + (dir / folder).string() + ", format: auto}\n");
    EXPECT_EQ(data.entry().name, format) << folder;
    data.resolve_format();
    EXPECT_EQ(data.format, format) << folder;
  }
  // The keys of the format that was found apply, and no others.
  DataConfig data(builtin_formats());
  load(data, "data: {source: " + (dir / "pics").string() + ", format: auto, size: 8}\n");
  EXPECT_EQ(data.pictures.size, 8);
  expect_error(ExitCode::usage, {"data.size", "applies only where data.format is"}, [&dir] {
    DataConfig other(builtin_formats());
    load(other, "data: {source: " + (dir / "text").string() + ", format: auto, size: 8}\n");
  });
  for (const auto& [folder, words] : std::vector<std::pair<std::string, std::vector<std::string>>>{
           {"nothing",
            {"data.format is auto", "nothing, is not", "a folder with an index.json", "set data.format"}},
           {"nowhere",
            {"data.format is auto", "nowhere, does not exist", "mds, tokens, raw_u16, pictures"}}}) {
    DataConfig other(builtin_formats());
    other.source = dir / folder;
    other.format = kAutoFormat;
    expect_error(ExitCode::usage, words, [&other] { (void)other.entry(); });
  }
}

TEST(Formats, TheDocumentationOfTheSourceNamesEachFormatWithItsText) {
  const auto explained = [](DataConfig data) {
    config::Section root;
    root.section("data", data, "What the run reads.");
    return config::json_schema(root);
  };
  const std::string text = explained(DataConfig(builtin_formats()));
  EXPECT_NE(text.find("mds: one subfolder per split"), std::string::npos) << text;
  EXPECT_NE(text.find("tokens or raw_u16: train.bin and test.bin"), std::string::npos) << text;
  EXPECT_NE(text.find("makes mds and tokens."), std::string::npos) << text;
  Format other = counting_format();
  other.texts.source = "nothing";
  const std::string alone = explained(DataConfig(Formats{other}));
  EXPECT_NE(alone.find("counting: nothing."), std::string::npos) << alone;
  EXPECT_NE(alone.find("makes counting."), std::string::npos) << alone;
  other.packer.reset();
  const std::string unpacked = explained(DataConfig(Formats{other}));
  EXPECT_EQ(unpacked.find("data pack"), std::string::npos) << unpacked;
}

TEST(Formats, AConfigurationOwnsItsFormats) {
  DataConfig copy(builtin_formats());
  {
    const DataConfig data(Formats{counting_format()});
    copy = data;
  }
  EXPECT_EQ(copy.entry().name, "counting");
}

TEST(Formats, AnotherRegistryBringsItsOwnFormatsAndKeys) {
  const Formats formats = {counting_format(), builtin_formats().front()};
  DataConfig data(formats);
  EXPECT_EQ(data.format, "counting");
  load(data, "data: {source: none, count_from: 30}\n");
  const auto dataset = data.entry().open(data, {"test", {"label"}});
  ASSERT_EQ(dataset->size(), 10);
  std::int64_t number = 0;
  read_only_field(*dataset, 4, std::as_writable_bytes(std::span(&number, 1)));
  EXPECT_EQ(number, 34);
  expect_error(ExitCode::usage, {"tokens"}, [&formats] {
    DataConfig other(formats);
    load(other, "data: {source: none, format: tokens}\n");
  });
  expect_error(ExitCode::usage, {"count_from", "data.format is counting"}, [&formats] {
    DataConfig other(formats);
    load(other, "data: {source: none, format: mds, count_from: 3}\n");
  });
}

TEST(Formats, AnIndexOfTarsIsNoneOfMds) {
  const testing::Scratch dir;
  testing::write_bytes(dir / "index.json", R"({"__kind__": "wids-shard-index-v1", "shardlist": []})");
  const Formats formats = builtin_formats();
  EXPECT_FALSE(find_format(formats, "mds").recognizes(dir / "."));
  testing::write_bytes(dir / "index.json", R"({"version": 2, "shards": []})");
  EXPECT_TRUE(find_format(formats, "mds").recognizes(dir / "."));
}

TEST(Formats, APathIsInspectedByTheFormatThatRecognizesIt) {
  Scratch dir;
  write_split(dir / "train", 20);
  EXPECT_NE(inspect(builtin_formats(), dir / "train").find("samples      20"), std::string::npos);
  write_bytes(dir / "t.bin", std::string(2000, 'x'));
  expect_error(ExitCode::data, {"t.bin", "inspect"},
               [&] { (void)verify(builtin_formats(), dir / "t.bin", {}); });
  expect_error(ExitCode::data, {"no format"}, [&] { (void)inspect({counting_format()}, dir / "t.bin"); });
  write_bytes(dir / "notes.txt", "x");
  expect_error(ExitCode::data, {"notes.txt has no format", "a folder of pictures"},
               [&] { (void)inspect(builtin_formats(), dir / "notes.txt"); });
  expect_error(ExitCode::data, {"nowhere does not exist"},
               [&] { (void)inspect(builtin_formats(), dir / "nowhere"); });
  fs::create_directories(dir / "tokens");
  fs::rename(dir / "t.bin", dir / "tokens/train.bin");
  expect_error(ExitCode::data, {"is a folder of token files", "train.bin"},
               [&] { (void)inspect(builtin_formats(), dir / "tokens"); });
}

TEST(Formats, ARequestToPackGoesToThePackerThatAcceptsIt) {
  Formats formats = builtin_formats();
  formats.push_back(counting_format());
  const auto packer_of = [&formats](const std::string& name) { return &*find_format(formats, name).packer; };
  PackRequest request;
  request.inputs.emplace_back("a.idx");
  request.out = "out";
  EXPECT_EQ(&find_packer(formats, request), packer_of("mds"));
  request.tokenizer = "bytes";
  EXPECT_EQ(&find_packer(formats, request), packer_of("tokens"));
  request.tokenizer.clear();
  request.inputs = {fs::path("a.numbers"), fs::path("b.numbers")};
  const Packer& packer = find_packer(formats, request);
  ASSERT_EQ(&packer, packer_of("counting"));
  std::int64_t last = 0;
  EXPECT_EQ(packer.pack(request, formats, [&last](std::int64_t done, std::int64_t) { last = done; }),
            "packed: 2 files of numbers, in out");
  EXPECT_EQ(last, 2);
  request.inputs.resize(1);
  request.inputs.front() = "a.idx";
  expect_error(ExitCode::usage, {"no dataset format accepts"},
               [&] { (void)find_packer({counting_format()}, request); });
}

}  // namespace
}  // namespace ebb::data

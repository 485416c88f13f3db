// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/pack_text.h"

#include <gtest/gtest.h>

#include <new>
#include <string>
#include <vector>

#include "data/fixtures.h"
#include "data/tokens/token_file.h"

namespace ebb::data {
namespace {

using testing::expect_error;
using testing::Scratch;
using testing::write_bytes;

class PackText : public ::testing::Test {
 protected:
  PackTextResult pack(const std::vector<std::string>& names, const std::string& key = "text",
                      bool skip_bad_lines = false) {
    PackTextOptions options;
    options.inputs.key = key;
    options.inputs.skip_bad_lines = skip_bad_lines;
    for (const std::string& name : names) options.inputs.files.push_back(dir_ / name);
    options.out = dir_ / "sub/out.bin";
    return pack_text(options, *make_tokenizer("bytes"),
                     [this](std::int64_t done, std::int64_t total) { last_ = {done, total}; });
  }
  [[nodiscard]] std::vector<std::int32_t> packed() const {
    const TokenFile file(dir_ / "sub/out.bin");
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.size()));
    file.read(0, tokens, kByteVocabulary);
    return tokens;
  }
  Scratch dir_;
  std::pair<std::int64_t, std::int64_t> last_;
};

TEST_F(PackText, ABytesNumberIsItselfAndEachFileADocument) {
  write_bytes(dir_ / "a.txt", "Ab\n");
  write_bytes(dir_ / "b.txt", "\xc3\xa9");
  const PackTextResult result = pack({"a.txt", "b.txt"});
  EXPECT_EQ(result.documents, 2);
  EXPECT_EQ(result.tokens, 7);
  EXPECT_EQ(packed(), (std::vector<std::int32_t>{65, 98, 10, 256, 0xc3, 0xa9, 256}));
  EXPECT_EQ(last_, (std::pair<std::int64_t, std::int64_t>{7, 7}));
}

TEST_F(PackText, TheLastShareIsForTheTest) {
  write_bytes(dir_ / "a.txt", "abcdefg");
  write_bytes(dir_ / "b.txt", "h");
  PackTextOptions options;
  options.inputs.files = {dir_ / "a.txt", dir_ / "b.txt"};
  options.out = dir_ / "text";
  options.test_share = 0.4;
  const PackTextResult result = pack_text(options, *make_tokenizer("bytes"), nullptr);
  EXPECT_EQ(result.tokens, 10);
  EXPECT_EQ(result.test_tokens, 4);
  const TokenFile train(dir_ / "text/train.bin"), test(dir_ / "text/test.bin");
  EXPECT_EQ(train.size(), 6);
  std::vector<std::int32_t> tokens(4);
  test.read(0, tokens, kByteVocabulary);
  EXPECT_EQ(tokens, (std::vector<std::int32_t>{'g', 256, 'h', 256}));
  EXPECT_TRUE(pack_text(options, *make_tokenizer("bytes"), nullptr).already_there);
  options.test_share = 0.3;
  expect_error(ExitCode::usage, {"train.bin exists"},
               [&] { pack_text(options, *make_tokenizer("bytes"), nullptr); });
  options.out = dir_ / "other";
  options.test_share = 0.1;
  expect_error(ExitCode::data, {"1 of 10 tokens"},
               [&] { pack_text(options, *make_tokenizer("bytes"), nullptr); });
  EXPECT_FALSE(std::filesystem::exists(dir_ / "other/train.bin"));
}

TEST_F(PackText, EachLineOfJsonIsADocument) {
  write_bytes(dir_ / "a.jsonl", "{\"text\": \"x\\ny\", \"id\": 1}\n\n{\"text\": \"\"}\n");
  EXPECT_EQ(pack({"a.jsonl"}).documents, 2);
  EXPECT_EQ(packed(), (std::vector<std::int32_t>{120, 10, 121, 256, 256}));
}

TEST_F(PackText, JsonLinesHaveSeveralNamesAndLineEnds) {
  for (const char* name : {"a.jsonl", "a.JSONL", "a.ndjson", "a.json"}) {
    write_bytes(dir_ / name, "{\"body\": \"x\"}\r\n \t\r\n{\"body\": \"y\", \"text\": 5}");
    std::filesystem::remove_all(dir_ / "sub");
    EXPECT_EQ(pack({name}, "body").documents, 2) << name;
    EXPECT_EQ(packed(), (std::vector<std::int32_t>{120, 256, 121, 256})) << name;
  }
}

TEST_F(PackText, BadLinesOfJsonAreToldWithTheReasonOrSkippedAndCounted) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"{\"text\": \"y\"", "not JSON: parse error at line 1"},
      {"[{\"text\": \"y\"}]", "JSON array"},
      {"[", "has only [: the file is one JSON document. Write JSON lines first (`jq -c '.[]'` does)"},
      {" {\r", "has only {: the file is one JSON document"},
      {"\"y\"", "not a JSON object"},
      {"{\"text\": 5}", "\"text\" of this object is not a string"},
      {"{\"body\": \"y\", \"n\": 1}", "no key \"text\"; give --key one of its strings: \"body\""},
      {"{\"text\": \"y\", \"text\": \"z\"}", "twice"}};
  std::string all = "{\"text\": \"x\"}\n";
  for (const auto& [line, reason] : bad) {
    write_bytes(dir_ / "bad.jsonl", "{\"text\": \"x\"}\n\n" + line + "\n");
    expect_error(ExitCode::data, {"bad.jsonl:3: ", reason, "--skip-bad-lines"}, [&] { pack({"bad.jsonl"}); });
    all += line + "\n";
  }
  write_bytes(dir_ / "all.jsonl", all);
  const PackTextResult result = pack({"all.jsonl"}, "text", true);
  EXPECT_EQ(result.skipped_lines, std::ssize(bad));
  EXPECT_EQ(packed(), (std::vector<std::int32_t>{120, 256}));
}

TEST_F(PackText, TheLinesForATokenizerCountTheBadOnes) {
  write_bytes(dir_ / "a.jsonl", "{\"text\": \"a\\nb\"}\n{\n{\"text\": 1}\n{\"text\": \"c\"}\n");
  TextLines lines({{dir_ / "a.jsonl"}, "text", true});
  std::string line, all;
  while (lines.next(line)) all += line;
  EXPECT_EQ(all, "abc");
  EXPECT_EQ(lines.skipped(), 2);
}

TEST_F(PackText, LongTextsPassInBlocks) {
  std::string text((std::size_t{5} << 20) + 3, 'q');
  text.back() = 'z';
  write_bytes(dir_ / "a.txt", text);
  EXPECT_EQ(pack({"a.txt"}).tokens, std::ssize(text) + 1);
  const auto tokens = packed();
  EXPECT_EQ(tokens[tokens.size() - 2], 'z');
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 'q'), std::ssize(text) - 1);
}

TEST_F(PackText, TheFirstByteThatIsNotUtf8IsTold) {
  write_bytes(dir_ / "a.txt", "caf\xc3\xa9 \xef\xbf\xbd\xf0\x9f\x98\x80");
  EXPECT_FALSE(pack({"a.txt"}).not_utf8);
  std::filesystem::remove_all(dir_ / "sub");
  const std::string before((std::size_t{1} << 20) + 7, 'x');
  write_bytes(dir_ / "b.txt", before + "caf\xe9 \xff");
  const PackTextResult result = pack({"a.txt", "b.txt"});
  ASSERT_TRUE(result.not_utf8);
  EXPECT_EQ(result.not_utf8->document, 2);
  EXPECT_EQ(result.not_utf8->offset, std::ssize(before) + 3);
  EXPECT_EQ(result.not_utf8->byte, 0xe9);
}

// Gets no memory for the second part of a text.
class OutOfMemory final : public Tokenizer {
 public:
  [[nodiscard]] std::int64_t vocabulary() const override { return kByteVocabulary; }
  [[nodiscard]] std::optional<std::int64_t> end_of_document() const override { return kEndOfDocument; }
  [[nodiscard]] std::string decode(std::span<const std::int64_t> /*tokens*/) const override { return ""; }
  [[nodiscard]] std::size_t stable_prefix(std::string_view text) const override { return text.size(); }

 private:
  [[nodiscard]] std::vector<std::int64_t> encode_whole(std::string_view /*text*/,
                                                       Place place) const override {
    if (!place.is_first()) throw std::bad_alloc();
    return {};
  }
};

TEST_F(PackText, RefusedMemoryIsCode4WithThePlaceInTheText) {
  write_bytes(dir_ / "a.txt", "x");
  write_bytes(dir_ / "b.txt", std::string(Tokenizer::kPartBytes + 1024, 'x'));
  PackTextOptions options;
  options.inputs.files = {dir_ / "a.txt", dir_ / "b.txt"};
  options.out = dir_ / "out.bin";
  expect_error(ExitCode::memory, {"1.0 KiB of document 2 from byte 262144 on"},
               [&] { (void)pack_text(options, OutOfMemory(), nullptr); });
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

TEST_F(PackText, InputsThatCannotBeAreNamedAndLeaveNothingBehind) {
  write_bytes(dir_ / "bad.jsonl", "{\"text\": \"x\"}\n{\"txt\": \"y\"}\n");
  write_bytes(dir_ / "none.jsonl", "\n");
  write_bytes(dir_ / "empty.txt", "");
  expect_error(ExitCode::data, {"bad.jsonl:2", "\"text\""}, [&] { pack({"bad.jsonl"}); });
  expect_error(ExitCode::data, {"no document"}, [&] { pack({"none.jsonl"}); });
  expect_error(ExitCode::data, {"empty.txt", "empty"}, [&] { pack({"empty.txt"}); });
  expect_error(ExitCode::data, {"nowhere.txt"}, [&] { pack({"nowhere.txt"}); });
  expect_error(ExitCode::data, {"nowhere.jsonl"}, [&] { pack({"nowhere.jsonl"}); });
  EXPECT_FALSE(std::filesystem::exists(dir_ / "sub"));
}

TEST_F(PackText, AnOutThatIsThereIsLeftAlone) {
  write_bytes(dir_ / "a.txt", "x");
  pack({"a.txt"});
  EXPECT_TRUE(pack({"a.txt"}).already_there);
  const auto before = packed();
  write_bytes(dir_ / "a.txt", "y");
  expect_error(ExitCode::usage, {"out.bin exists"}, [&] { pack({"a.txt"}); });
  EXPECT_EQ(packed(), before);
  write_bytes(dir_ / "sub/out.bin", "no tokens at all");
  expect_error(ExitCode::usage, {"out.bin exists"}, [&] { pack({"a.txt"}); });
  EXPECT_EQ(testing::read_bytes(dir_ / "sub/out.bin"), "no tokens at all");
}

}  // namespace
}  // namespace ebb::data

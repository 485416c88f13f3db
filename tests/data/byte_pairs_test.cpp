// SPDX-License-Identifier: Apache-2.0
#include "data/byte_pairs.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "data/word_expression.h"

namespace ebb::data {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using testing::expect_error;
using testing::Scratch;
using testing::write_bytes;

const std::string kSnags = "It's  Größe\n\n 漢字 👩‍👧 12345\t\x01\xff\xc3 end ";

std::string utf8(unsigned c) {
  if (c < 0x80) return {static_cast<char>(c)};
  return {static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};
}

// Tokens 0 to 255 are the bytes; from 256 on "he", "Ġhe" and the added tokens.
json tokenizer() {
  json vocabulary;
  unsigned next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    const bool plain = (b >= '!' && b <= '~') || (b >= 161 && b <= 172) || b >= 174;
    vocabulary[utf8(plain ? b : next++)] = b;
  }
  vocabulary["he"] = 256;
  vocabulary["\u0120he"] = 257;
  vocabulary["hello"] = 258;
  return {
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"h e", json::array({"\u0120", "he"})}}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"normalizer", nullptr},
      {"added_tokens", {{{"id", 300}, {"content", "<|endoftext|>"}}}}};
}

// Of one Split by this expression.
void split_by(json& document, const std::string& expression) {
  document["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"},
         {"pattern", {{"Regex", expression}}},
         {"behavior", "Isolated"},
         {"invert", false}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

class BytePairs : public ::testing::Test {
 protected:
  std::unique_ptr<Tokenizer> opened(const json& document) {
    std::filesystem::create_directories(dir_ / "t");
    write_bytes(dir_ / "t/tokenizer.json", document.dump());
    return make_tokenizer(dir_ / "t");
  }
  Scratch dir_;
};

TEST_F(BytePairs, MergesWithinWordsAndGivesTheTextBack) {
  const auto made = opened(tokenizer());
  EXPECT_EQ(made->vocabulary(), 301);
  EXPECT_EQ(made->end_of_document(), 300);
  EXPECT_THAT(made->encode("the he"), ElementsAre('t', 256, 257));
  EXPECT_THAT(made->encode("hello"), ElementsAre(256, 'l', 'l', 'o'));
  EXPECT_EQ(made->decode(made->encode(kSnags)), kSnags);
  EXPECT_EQ(made->decode({{256, 300, -1, 5000, 'x'}}), "hex");
  EXPECT_TRUE(made->encode("").empty());
  EXPECT_EQ(made->bytes(257), 3);  // " he"
  for (const std::int64_t without : {300, -1, 5000}) EXPECT_EQ(made->bytes(without), 0) << without;
}

// "el" is merged first, since the last rank of "he" counts. So do the tokenizers of transformers.
TEST_F(BytePairs, OfAMergeThatIsListedTwiceTheLastRankCounts) {
  json document = tokenizer();
  document["model"]["vocab"]["el"] = 259;
  document["model"]["merges"] = {"h e", "e l"};
  EXPECT_THAT(opened(document)->encode("hel"), ElementsAre(256, 'l'));
  document["model"]["merges"] = {"h e", "e l", "h e"};
  EXPECT_THAT(opened(document)->encode("hel"), ElementsAre('h', 259));
}

// For words of any length, and for any cut of a text at its stable prefix.
TEST_F(BytePairs, LongWordsAndPartsOfTextsGiveTheSameTokens) {
  const auto made = opened(tokenizer());
  std::string word;
  for (int i = 0; i < 200000; ++i) word += "he";
  EXPECT_THAT(made->encode(word), ::testing::AllOf(::testing::SizeIs(200000), ::testing::Each(256)));
  const std::string text = kSnags + " the he  \n\n he 漢字";
  const auto whole = made->encode(text);
  for (std::size_t end = 1; end < text.size(); ++end) {
    const std::size_t stable = made->stable_prefix(std::string_view(text).substr(0, end));
    auto parts = made->encode(std::string_view(text).substr(0, stable));
    const auto rest = made->encode(std::string_view(text).substr(stable));
    parts.insert(parts.end(), rest.begin(), rest.end());
    EXPECT_EQ(parts, whole) << "cut at " << stable << " of " << end;
  }
}

// With a first space, which only the beginning of a text gets.
TEST_F(BytePairs, LongTextsWithAFirstSpaceAreEncodedInParts) {
  json document = tokenizer();
  document["pre_tokenizer"]["add_prefix_space"] = true;
  const auto made = opened(document);
  std::string words = "he";
  while (words.size() < 3 * Tokenizer::kPartBytes) words += " the he hello\n";
  const auto tokens = made->encode(words);
  EXPECT_EQ(tokens.front(), 257);
  EXPECT_TRUE(made->decode(tokens) == " " + words);
}

#ifndef EBB_SANITIZED
TEST_F(BytePairs, OfOneLongWordTakeBoundedMemory) {
  const auto made = opened(tokenizer());
  const auto count = [&made] {
    std::string word;
    for (int i = 0; i < 2'000'000; ++i) word += "he";
    std::int64_t offset = 0, all = 0;
    for (std::string_view rest = word; !rest.empty();) {
      std::vector<std::int64_t> tokens;
      const std::size_t taken = made->encode_part(rest, {offset, true}, tokens);
      rest.remove_prefix(taken);
      offset += static_cast<std::int64_t>(taken);
      all += std::ssize(tokens);
    }
    return all;
  };
  EXPECT_EXIT(
      {
        testing::limit_further_memory(std::int64_t{150} << 20);
        std::_Exit(count() == 2'000'000 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}
#endif

TEST_F(BytePairs, AWordThatIsATokenMayComeBeforeMerges) {
  json document = tokenizer();
  document["model"]["ignore_merges"] = true;
  EXPECT_THAT(opened(document)->encode("hello he"), ElementsAre(258, 257));
}

TEST_F(BytePairs, TwoFilesSayTheSame) {
  const json document = tokenizer();
  std::filesystem::create_directories(dir_ / "two");
  json vocabulary = document["model"]["vocab"];
  vocabulary["<|endoftext|>"] = 259;
  write_bytes(dir_ / "two/vocab.json", vocabulary.dump());
  write_bytes(dir_ / "two/merges.txt", "#version: 0.2\nh e\n\u0120 he\n");
  const auto made = make_tokenizer(dir_ / "two");
  EXPECT_THAT(made->encode("the he"), ElementsAre('t', 256, 257));
  EXPECT_EQ(made->end_of_document(), 259);
  EXPECT_EQ(made->vocabulary(), 260);
  EXPECT_EQ(made->decode({{259}}), "");
  write_bytes(dir_ / "two/merges.txt", "h e\nhe\n");
  expect_error(ExitCode::data, {"merges.txt", "merge 1", "\"he\""}, [&] { make_tokenizer(dir_ / "two"); });
  write_bytes(dir_ / "two/merges.txt", "h z\n");
  expect_error(ExitCode::data, {"merge 0", "\"h\" and \"z\""}, [&] { make_tokenizer(dir_ / "two"); });
}

TEST_F(BytePairs, WhatWouldChangeTheTokensIsRefusedByName) {
  const auto refused = [&](const std::vector<std::string>& texts, const std::function<void(json&)>& change) {
    json document = tokenizer();
    change(document);
    expect_error(ExitCode::data, texts, [&] { opened(document); });
  };
  refused({"normalizer NFC"}, [](json& d) { d["normalizer"] = {{"type", "NFC"}}; });
  refused({"model is Unigram"}, [](json& d) { d["model"]["type"] = "Unigram"; });
  refused({"(Whitespace)"}, [](json& d) { d["pre_tokenizer"] = {{"type", "Whitespace"}}; });
  refused({"does not end in ByteLevel"}, [](json& d) { d["pre_tokenizer"] = {{"type", "Sequence"}}; });
  refused({"regular expression", "an open group"}, [](json& d) {
    d["pre_tokenizer"] = {{"type", "Sequence"},
                          {"pretokenizers",
                           {{{"type", "Split"}, {"pattern", {{"Regex", "(a"}}}, {"behavior", "Isolated"}},
                            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  });
  refused({"\"  \"", "without being special"},
          [](json& d) { d["added_tokens"].push_back({{"id", 301}, {"content", "  "}, {"special", false}}); });
  for (const char* text : {R"({"model": 5})", R"({"model": {"type": 1}})"})
    refused({"tokenizer.json"}, [&](json& d) { d.merge_patch(json::parse(text)); });
  refused({"add_prefix_space after a Split"}, [](json& d) {
    split_by(d, "a");
    d["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = true;
  });
  refused({"dropout 0.1"}, [](json& d) { d["model"]["dropout"] = 0.1; });
  refused({"end_of_word_suffix \"</w>\""}, [](json& d) { d["model"]["end_of_word_suffix"] = "</w>"; });
  refused({"continuing_subword_prefix \"##\""},
          [](json& d) { d["model"]["continuing_subword_prefix"] = "##"; });
  refused({"not as the library writes them"}, [](json& d) { d["model"]["ignore_merges"] = "yes"; });
  refused({"byte 0"}, [](json& d) { d["model"]["vocab"].erase("\u0100"); });
  refused(
      {"special token \"<|endoftext|>\" has the id 1099511627776", "for 260 listed tokens, ids are 0 to 519"},
      [](json& d) { d["added_tokens"][0]["id"] = std::int64_t{1} << 40; });
  refused({"the token \"hello\" has the id 520"}, [](json& d) { d["model"]["vocab"]["hello"] = 520; });
  refused({"\"he\"", "id -1"}, [](json& d) { d["model"]["vocab"]["he"] = -1; });
  refused({"\"he\"", "not a whole number"}, [](json& d) { d["model"]["vocab"]["he"] = "x"; });
  write_bytes(dir_ / "t/tokenizer.json", "version https://git-lfs.github.com/spec/v1\nsize 5\n");
  expect_error(ExitCode::data, {"a pointer of git-lfs", "lfs pull --include tokenizer.json"},
               [&] { make_tokenizer(dir_ / "t"); });
  write_bytes(dir_ / "t/tokenizer.json", "not JSON");
  expect_error(ExitCode::data, {"tokenizer.json", "not JSON"}, [&] { make_tokenizer(dir_ / "t"); });
  expect_error(ExitCode::usage, {"nowhere", "merges.txt"}, [] { make_tokenizer("nowhere"); });
}

// The space is one token with the word that follows it, unless the expression cuts between them.
TEST_F(BytePairs, SpacesOfExpressionsAreThoseOfTheLibrary) {
  json document = tokenizer();
  const auto tokens = [&](const std::string& expression, const std::string& text) {
    split_by(document, expression);
    return opened(document)->encode(text).size();
  };
  EXPECT_EQ(tokens(R"(\s+|\S+)", " he"), 2U);
  EXPECT_EQ(tokens(R"([^\s]+|\s+)", " he"), 2U);
  EXPECT_EQ(tokens(R"([\s\S]+)", " he"), 1U);
  EXPECT_EQ(tokens(R"(\u0020he|\x{20})", " he"), 1U);
  // PCRE2 counts U+180E as a space, but not the library: what matches it with "x" before it is not `\s`.
  document["model"]["vocab"]["xa"] = 259;
  document["model"]["merges"] = {"x a"};
  EXPECT_EQ(tokens(R"(x\s?)", "x\u00a0"), 3U);
  EXPECT_EQ(pcre2_expression(R"(\s)").find("180e"), std::string::npos);
  EXPECT_EQ(pcre2_expression(R"([a\S])").substr(0, 3), R"([a\)");
}

TEST_F(BytePairs, ExpressionsThatTheLibraryReadsOtherwiseAreRefusedByPart) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"a$", "$ at character 1"},
                                                                  {"^a", "^ at character 0"},
                                                                  {"(?m)a.b", "(?m) at"},
                                                                  {"(?s:a.b)", "(?s: at"},
                                                                  {R"(\h+)", R"(\h at)"},
                                                                  {R"(a\b)", R"(\b at)"},
                                                                  {R"(\w+)", R"(\w at)"},
                                                                  {R"([a-z&&[^b]]+)", "&& at character 4"},
                                                                  {"[a[b]]", "[ at character 2"},
                                                                  {"[[:alpha:]]", "[ at character 1"},
                                                                  {R"(\p{Han}+)", R"(\p{Han} at)"},
                                                                  {R"(\p{^L}+)", R"(\p{^L} at)"},
                                                                  {R"((?<=a)b)", "(?<= at"},
                                                                  {R"((a)\1)", R"(\1 at)"},
                                                                  {"a{,3}b", "{,3} at"},
                                                                  {"a{2}+", "+ at character 4"},
                                                                  {"a{2}?", "? at character 4"},
                                                                  {"(?i:stop)", "\"st\""},
                                                                  {R"((?i:\p{L}))", "ASCII"},
                                                                  {"a*", "empty text"},
                                                                  {"(?=a)|b", "empty text"},
                                                                  {"(a", "an open group"},
                                                                  {"[a", "an open set"}};
  for (const auto& [expression, part] : cases) {
    json document = tokenizer();
    split_by(document, expression);
    expect_error(ExitCode::data, {"its regular expression", part}, [&] { opened(document); });
  }
  for (const char* published :  // of Llama 3 and of o200k
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
        R"(\s*[\r\n]+|\s+(?!\S)|\s+)",
        R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}) {
    json document = tokenizer();
    split_by(document, published);
    const auto made = opened(document);
    EXPECT_EQ(made->decode(made->encode(kSnags)), kSnags);
  }
}

TEST_F(BytePairs, SettingsBesideTheFilesCount) {
  const auto with = [&](const std::string& settings) {
    std::filesystem::create_directories(dir_ / "t");
    write_bytes(dir_ / "t/tokenizer_config.json", settings);
    return opened(tokenizer());
  };
  EXPECT_EQ(with(R"({"add_prefix_space": false, "model_max_length": 5})")->vocabulary(), 301);
  EXPECT_EQ(with(R"({"added_tokens_decoder": {"310": {"content": "<x>", "special": true}}})")->vocabulary(),
            311);
  const auto refused = [&](const std::string& settings, const std::string& part) {
    expect_error(ExitCode::data, {"tokenizer_config.json", part}, [&] { (void)with(settings); });
  };
  refused(R"({"add_prefix_space": true})", "add_prefix_space is true, but false");
  refused(R"({"do_lower_case": true})", "do_lower_case is true");
  refused(R"({"added_tokens_decoder": {"310": {"content": "<x>"}}})", "\"<x>\" is added");
  refused(R"({"added_tokens_decoder": {"5": {"content": "<|endoftext|>", "special": true}}})",
          "the id 5, but 300");
  refused(R"({"added_tokens_decoder": {"5": null}})", "not as the library writes them");
  for (const char* id : {"31x", "x", "-1"})
    refused(
        R"({"added_tokens_decoder": {")" + std::string(id) + R"(": {"content": "<x>", "special": true}}})",
        "the id " + std::string(id) + ", which is no whole number");
  refused("[]", "not a JSON object");
}

}  // namespace
}  // namespace ebb::data

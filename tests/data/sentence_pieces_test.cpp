// SPDX-License-Identifier: Apache-2.0
// The library itself is the reference: long texts have its tokens, though they are encoded in parts.
#include "data/sentence_pieces.h"

#include <gmock/gmock.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/fixtures.h"
#include "data/sentence_piece_training.h"
#include "data/tokens/pack_text.h"
#include "data/tokens/token_file.h"

namespace ebb::data {
namespace {

using ::testing::Contains;
using testing::expect_error;
using testing::Scratch;
using testing::write_bytes;

std::string draws(std::size_t count, const std::vector<std::string>& from) {
  std::string text;
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    text += from[(state >> 16) % from.size()];
  }
  return text;
}
const std::vector<std::string> kBases = {"A", "C", "G", "T"}, kHan = {"漢", "字", "文", "本", "語", "人"},
                               kWords = {"the ", "cat ", "sat ", "on ", "mat\n", "  and ", "dog, ", "12 "};

class SentencePieceTexts : public ::testing::Test {
 protected:
  // As `ebb data tokenizer` makes it.
  std::unique_ptr<Tokenizer> trained(const std::string& text, std::int64_t vocabulary,
                                     bool byte_pairs = true) {
    write_bytes(dir_ / "trained.txt", text);
    std::filesystem::remove(dir_ / "ours.model");
    TrainTokenizerOptions options;
    options.inputs.files = {dir_ / "trained.txt"};
    options.out = dir_ / "ours.model";
    options.vocabulary = vocabulary;
    options.byte_pairs = byte_pairs;
    train_tokenizer(options);
    return make_tokenizer(options.out);
  }
  // As others make it, with the library's own defaults.
  std::string of_others(const std::string& name, std::unordered_map<std::string, std::string> arguments) {
    write_bytes(dir_ / "others.txt", draws(3000, kWords) + draws(500, kBases) + "\n" + draws(500, kHan));
    arguments.merge(std::unordered_map<std::string, std::string>{{"input", dir_ / "others.txt"},
                                                                 {"model_prefix", dir_ / name},
                                                                 {"model_type", "bpe"},
                                                                 {"hard_vocab_limit", "false"},
                                                                 {"vocab_size", "320"},
                                                                 {"minloglevel", "2"}});
    EXPECT_TRUE(sentencepiece::SentencePieceTrainer::Train(arguments).ok());
    return dir_ / (name + ".model");
  }
  std::vector<std::int64_t> packed(const std::string& text, const Tokenizer& tokenizer) {
    write_bytes(dir_ / "in.txt", text);
    std::filesystem::remove(dir_ / "out.bin");
    PackTextOptions options;
    options.inputs.files = {dir_ / "in.txt"};
    options.out = dir_ / "out.bin";
    (void)pack_text(options, tokenizer, nullptr);
    const TokenFile file(options.out);
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.size()));
    file.read(0, tokens, tokenizer.vocabulary());
    tokens.pop_back();  // the end of the document
    return {tokens.begin(), tokens.end()};
  }
  Scratch dir_;
};

TEST_F(SentencePieceTexts, TrainOnWordsOfAnyLength) {
  const std::vector<std::pair<std::size_t, bool>> cases = {
      {32'770, true}, {65'537, true}, {200'000, true}, {200'000, false}};
  for (const auto& [letters, byte_pairs] : cases) {
    const auto made = trained(draws(2000, kWords) + draws(letters, kBases) + "\n", 290, byte_pairs);
    const std::string text = draws(1000, kBases);
    const auto tokens = made->encode(text);
    EXPECT_LT(tokens.size(), text.size()) << "no piece has two letters";
    EXPECT_EQ(made->decode(tokens), text);
  }
  const std::string han = draws(70'000, kHan), spaces(70'000, ' ');
  const auto made = trained("a" + spaces + "b " + han, 290);
  EXPECT_LT(made->encode(han).size(), 70'000U);
  EXPECT_EQ(made->decode(made->encode(spaces + "ab" + han)), spaces + "ab" + han);
}

TEST_F(SentencePieceTexts, KeepBytesThatAreNotUtf8) {
  const auto made = trained(draws(2000, kWords) + "caf\xe9 \xff\xfe\n", 290);
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.Load((dir_ / "ours.model").string()).ok());
  EXPECT_TRUE(library.IsUnknown(library.PieceToId("\xef\xbf\xbd"))) << "U+FFFD is in no text";
  // Truncated, overlong, a surrogate, above U+10FFFF, and a real U+FFFD.
  const std::string text = "the caf\xe9 cat \xc3 \xc0\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xef\xbf\xbd\xe6\xbc";
  const auto tokens = made->encode(text);
  EXPECT_EQ(made->decode(tokens), text);
  EXPECT_THAT(tokens, Contains(library.PieceToId("<0xE9>")));
  EXPECT_EQ(packed(text, *made), tokens);
}

TEST_F(SentencePieceTexts, RefuseSuchBytesInAModelWithoutPiecesForThem) {
  const auto made = make_tokenizer(of_others("without", {}));
  expect_error(ExitCode::data, {"byte 0xe9 at offset 7 is not UTF-8"},
               [&] { (void)made->encode("the caf\xe9"); });
  const std::string before = draws(200'000, kWords);
  ASSERT_GT(before.size(), 2 * Tokenizer::kPartBytes);
  expect_error(ExitCode::data,
               {"document 1: ", "byte 0xff at offset " + std::to_string(before.size()) + " is not UTF-8"},
               [&] { (void)packed(before + "\xff", *made); });
}

TEST_F(SentencePieceTexts, OfAnyLengthHaveTheLibrarysTokens) {
  const std::map<std::string, std::string> models = {
      {"ours", (trained(draws(3000, kWords) + draws(500, kBases) + "\n" + draws(500, kHan), 310),
                (dir_ / "ours.model").string())},
      {"Llama's", of_others("llama", {{"normalization_rule_name", "identity"},
                                      {"remove_extra_whitespaces", "false"},
                                      {"byte_fallback", "true"}})},
      {"the default", of_others("default", {})},
      {"without a first space", of_others("plain", {{"add_dummy_prefix", "false"}})}};
  const std::map<std::string, std::string> texts = {{"words", draws(80'000, kWords)},
                                                    {"a word", draws(300'000, kBases)},
                                                    {"without spaces", draws(100'000, kHan)},
                                                    {"one letter", std::string(300'001, 'A')},
                                                    {"short", "  the  cat\n"},
                                                    {"a space", " "}};
  for (const auto& [kind, model] : models) {
    const auto made = make_tokenizer(model);
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.Load(model).ok());
    for (const auto& [name, text] : texts) {
      std::vector<int> ids;
      ASSERT_TRUE(library.Encode(text, &ids).ok());
      const auto tokens = made->encode(text);
      EXPECT_TRUE(std::ranges::equal(tokens, ids)) << kind << ", " << name;
      EXPECT_TRUE(packed(text, *made) == tokens) << kind << ", " << name;
      if (kind == "ours") {
        EXPECT_TRUE(made->decode(tokens) == text) << name;
      }
    }
  }
}

#ifndef EBB_SANITIZED
// Without parts it takes 135 bytes of memory for each byte, which is 400 MB here.
TEST_F(SentencePieceTexts, OfOneLongWordArePackedInBoundedMemory) {
  const auto made = trained(draws(2000, kWords) + draws(500, kBases), 290);
  const auto pack = [&] { return packed(draws(3'000'000, kBases), *made).size(); };
  EXPECT_EXIT(
      {
        testing::limit_further_memory(std::int64_t{200} << 20);
        std::_Exit(pack() > 1'000'000 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}
#endif

// Bytes of every kind, between which no part can end by the tokens.
TEST_F(SentencePieceTexts, OfAnyBytesAreTheSameWhenDecoded) {
  const auto made = trained(draws(3000, kWords), 290);
  std::string text;
  for (std::uint32_t i = 0, state = 7; i < 700'000; ++i) {
    state = state * 1664525 + 1013904223;
    text += static_cast<char>(state >> 24);
  }
  for (const std::string& all : {text, std::string(700'000, '\x80')})
    EXPECT_TRUE(made->decode(made->encode(all)) == all);
}

TEST_F(SentencePieceTexts, OfAModelThatAddsASpaceAtTheEndAreShort) {
  const std::string model = of_others("suffix", {{"treat_whitespace_as_suffix", "true"}});
  const auto made = make_tokenizer(model);
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.Load(model).ok());
  std::vector<int> ids;
  ASSERT_TRUE(library.Encode("the cat sat", &ids).ok());
  EXPECT_TRUE(std::ranges::equal(made->encode("the cat sat"), ids));
  expect_error(ExitCode::data, {"more than 256", "split the text"},
               [&] { (void)made->encode(draws(200'000, kWords)); });
}

TEST(SentencePieces, AreTrainedOnTextAndLoseNothing) {
  const std::string snags = "It's  Größe\n\n 漢字 👩‍👧";
  const Scratch dir;
  std::string text;
  for (int i = 0; i < 200; ++i) text += "the cat sat on the mat, and number " + std::to_string(i) + " came\n";
  write_bytes(dir / "a.txt", text);
  write_bytes(dir / "b.jsonl", nlohmann::json{{"text", "the dog\nsat there"}}.dump() + "\n");
  TrainTokenizerOptions options;
  options.inputs.files = {dir / "a.txt", dir / "b.jsonl"};
  options.out = dir / "sub/t.model";
  options.vocabulary = 320;
  train_tokenizer(options);
  const auto made = make_tokenizer(options.out);
  EXPECT_EQ(made->vocabulary(), 320);
  ASSERT_TRUE(made->end_of_document());
  EXPECT_LT(made->encode("the cat sat").size(), 11U);
  EXPECT_EQ(made->decode(made->encode(snags)), snags);
  EXPECT_EQ(made->decode({{*made->end_of_document(), -1, 320}}), "");
  EXPECT_EQ(made->stable_prefix("the cat  sat"), 7U);
  EXPECT_EQ(made->stable_prefix("cat"), 0U);
  expect_error(ExitCode::usage, {"t.model exists"}, [&] { train_tokenizer(options); });
  options.out = dir / "t.txt";
  expect_error(ExitCode::usage, {"end in .model"}, [&] { train_tokenizer(options); });
  options.out = dir / "u.model";
  options.vocabulary = 100000;
  expect_error(ExitCode::data, {"100000 tokens"}, [&] { train_tokenizer(options); });
  options.inputs.files = {dir / "nowhere.txt"};
  expect_error(ExitCode::data, {"nowhere.txt"}, [&] { train_tokenizer(options); });
  EXPECT_FALSE(std::filesystem::exists(options.out));
  write_bytes(dir / "bad.model", "no model");
  expect_error(ExitCode::data, {"bad.model", "not a sentencepiece model"},
               [&] { make_tokenizer(dir / "bad.model"); });
}

}  // namespace
}  // namespace ebb::data

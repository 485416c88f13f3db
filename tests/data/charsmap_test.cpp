// SPDX-License-Identifier: Apache-2.0
#include "data/charsmap.h"

#include <sentencepiece_trainer.h>

#include <cstring>

#include "data/fixtures.h"
#include "data/sentence_pieces.h"

namespace ebb::data {
namespace {

using testing::expect_error;
using testing::Scratch;
using testing::write_bytes;

// A field that has a length.
std::string field(int number, const std::string& value) {
  std::string text{static_cast<char>(number << 3 | 2)};
  std::size_t rest = value.size();
  for (; rest > 127; rest >>= 7) text += static_cast<char>(0x80 | (rest & 0x7f));
  return text + static_cast<char>(rest) + value;
}

// The units of a trie with the keys "a", "aa", … Each has the text at byte 0.
std::vector<std::uint32_t> trie_of(std::uint32_t keys) {
  constexpr std::uint32_t kBlock = 256, kLeaf = 1U << 31, kHasLeaf = 1U << 8;
  std::vector<std::uint32_t> units(kBlock * (keys + 2), kLeaf);
  units[0] = kBlock << 10;
  for (std::uint32_t key = 1; key <= keys; ++key) {
    const std::uint32_t unit = kBlock * key ^ 'a';
    units[unit] = (unit ^ kBlock * (key + 1)) << 10 | kHasLeaf | 'a';
  }
  return units;
}

std::string model_of(const std::vector<std::uint32_t>& units, const std::string& texts, int extra_bytes = 0) {
  const auto bytes = static_cast<std::uint32_t>(4 * static_cast<int>(units.size()) + extra_bytes);
  std::string table(4 + 4 * units.size(), '\0');
  std::memcpy(table.data(), &bytes, 4);
  if (!units.empty()) std::memcpy(table.data() + 4, units.data(), 4 * units.size());
  return field(3, field(1, "name") + field(2, table + texts));
}

const std::string kText("b\0", 2);

void expect_refused(const std::string& model, const std::vector<std::string>& words) {
  std::vector<std::string> all = {"m.model"};
  all.insert(all.end(), words.begin(), words.end());
  expect_error(ExitCode::data, all, [&] { check_charsmaps(model, "m.model"); });
}

TEST(Charsmap, TablesOfTheLibraryAreAccepted) {
  const Scratch dir;
  std::string text;
  for (int i = 0; i < 300; ++i) text += "the cat sat on mat " + std::to_string(i) + "\n";
  write_bytes(dir / "text", text);
  for (const char* rules : {"nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"}) {
    const std::string name = dir / rules;
    ASSERT_TRUE(sentencepiece::SentencePieceTrainer::Train({{"input", dir / "text"},
                                                            {"model_prefix", name},
                                                            {"vocab_size", "40"},
                                                            {"hard_vocab_limit", "false"},
                                                            {"normalization_rule_name", rules},
                                                            {"minloglevel", "2"}})
                    .ok());
    EXPECT_FALSE(open_sentence_pieces(name + ".model")->encode("the ﷺ cat").empty()) << rules;
  }
}

TEST(Charsmap, ASmallTableIsAccepted) {
  EXPECT_NO_THROW(check_charsmaps(model_of(trie_of(1), kText), "m.model"));
  EXPECT_NO_THROW(check_charsmaps(model_of(trie_of(32), kText), "m.model"));
  EXPECT_NO_THROW(check_charsmaps(field(3, field(2, "")), "m.model"));
  EXPECT_NO_THROW(check_charsmaps("", "m.model"));
}

TEST(Charsmap, ATableThatATextCouldLeaveIsRefused) {
  std::vector<std::uint32_t> far = trie_of(1);
  far[0] = 1U << 30;
  expect_refused(model_of(far, kText), {"unit 0 leads to unit 1048831, and there are 768"});
  std::vector<std::uint32_t> short_block = trie_of(1);
  short_block.pop_back();
  expect_refused(model_of(short_block, kText), {"unit 353 leads to unit 767, and there are 767"});
  std::vector<std::uint32_t> beyond = trie_of(1);
  beyond[512] |= 2;
  expect_refused(model_of(beyond, kText), {"unit 353 has its text at byte 2, and the texts end at 2"});
  expect_refused(model_of(trie_of(1), "b"), {"the text of unit 353, at byte 0 of 1, has no end"});
  expect_refused(model_of(trie_of(1), std::string(257, 'b') + '\0'), {"a text of more than 256 bytes"});
  EXPECT_NO_THROW(check_charsmaps(model_of(trie_of(1), std::string(256, 'b') + '\0'), "m.model"));
  std::vector<std::uint32_t> loop = trie_of(1);
  loop[353] = (353U ^ 256U) << 10 | 'a';
  expect_refused(model_of(loop, kText), {"unit 353 leads to itself"});
  expect_refused(model_of(trie_of(33), kText), {"unit 353 on, more than 32 keys begin each other"});
  expect_refused(model_of(trie_of(1), kText, 4), {"its trie should have 3076 of 3074 bytes"});
  expect_refused(model_of({}, kText), {"no units"});
  expect_refused(field(3, field(2, "abcd")), {"it has 4 bytes"});
  expect_refused(field(5, field(2, "abcd")), {"it has 4 bytes"});
}

// The library would merge the fields.
TEST(Charsmap, EveryTableOfAMessageIsChecked) {
  const std::string good = model_of(trie_of(1), kText), bad = model_of(trie_of(1), "b");
  for (const std::string& model : {good + bad, bad + good}) expect_refused(model, {"has no end"});
}

TEST(Charsmap, WhatIsNoMessageIsRefused) {
  const std::string good = field(1, "piece");
  for (const std::string& end :
       {std::string("\x1a\x05"), std::string("\x1b"), std::string("\x1c"), std::string("\0\1", 2),
        std::string("\x9a\x80\x80\x80\x70\x01x"), "\x08" + std::string(10, '\x80'), std::string("\x0d\x01")})
    expect_refused(good + end, {"not a sentencepiece model", "before its end"});
  EXPECT_NO_THROW(
      check_charsmaps(good + std::string("\x9a\x80\x00\x00", 4), "m.model"));  // a longer 3 << 3 | 2
}

TEST(Charsmap, AModelWithSuchATableIsRefusedBeforeTheLibraryReadsIt) {
  const Scratch dir;
  std::vector<std::uint32_t> far = trie_of(1);
  far[0] = 1U << 30;
  write_bytes(dir / "evil.model", model_of(far, kText));
  expect_error(ExitCode::data, {"evil.model", "precompiled_charsmap", "unit 0 leads to unit"},
               [&] { (void)open_sentence_pieces(dir / "evil.model"); });
}

}  // namespace
}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "data/text_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "data/fixtures.h"
#include "data/sentence_piece_training.h"
#include "data/tokens/pack_text.h"
#include "data/tokens/windows.h"

namespace ebb::data {
namespace {

using testing::expect_error;
using testing::Scratch;
using testing::write_bytes;

constexpr std::int64_t kTokens = 4;  // T

class TextBytes : public ::testing::Test {
 protected:
  // Windows of the text that the tokenizer makes of a file.
  std::unique_ptr<Dataset> packed(const std::string& text, const Tokenizer& tokenizer) {
    write_bytes(dir_ / "in.txt", text);
    PackTextOptions options;
    options.inputs.files = {dir_ / "in.txt"};
    options.out = dir_ / "train.bin";
    (void)pack_text(options, tokenizer, nullptr);
    return open_windows(dir_ / "train", {kTokens, tokenizer.vocabulary(), {}});
  }
  Scratch dir_;
};

TEST_F(TextBytes, OfByteTokensAreAllTargetsButTheEndsOfDocuments) {
  const auto bytes = make_tokenizer("bytes");
  const auto windows = packed("abcdefghijk", *bytes);  // 12 tokens with the end: 2 windows
  ASSERT_EQ(windows->size(), 2);
  EXPECT_EQ(count_text_bytes(*windows, *bytes, 0, 2), 8);
  EXPECT_EQ(count_text_bytes(*windows, *bytes, 1, 2), 4);
  EXPECT_EQ(count_text_bytes(*windows, *bytes, 1, 1), 0);
  std::filesystem::remove(dir_ / "train.bin");
  const auto short_text = packed("abcd", *bytes);  // the last target is the end
  EXPECT_EQ(count_text_bytes(*short_text, *bytes, 0, 1), 3);
  expect_error(ExitCode::internal, {"no sample 1"},
               [&] { (void)count_text_bytes(*short_text, *bytes, 0, 2); });
}

TEST_F(TextBytes, OfNumbersAreNone) {
  const auto bytes = make_tokenizer("bytes"), none = make_tokenizer("none");
  EXPECT_EQ(none->bytes(17), 0);
  EXPECT_EQ(count_text_bytes(*packed("abcdefghijk", *bytes), *none, 0, 2), 0);
}

// Pieces that begin with a space keep it, also at the beginning of a window.
TEST_F(TextBytes, OfSentencePiecesAreThoseOfTheText) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += "the cat sat on the mat, and number " + std::to_string(i) + " came\n";
  write_bytes(dir_ / "text.txt", text);
  TrainTokenizerOptions options;
  options.inputs.files = {dir_ / "text.txt"};
  options.out = dir_ / "t.model";
  options.vocabulary = 320;
  train_tokenizer(options);
  const auto pieces = make_tokenizer(options.out);
  EXPECT_EQ(pieces->bytes(*pieces->end_of_document()), 0);
  EXPECT_EQ(pieces->bytes(-1), 0);

  // The first token predicts nothing, and the tokens after the last window are not read.
  std::vector<std::int64_t> tokens = pieces->encode(text);
  tokens.push_back(*pieces->end_of_document());
  const auto windows = packed(text, *pieces);
  ASSERT_EQ(windows->size(), (std::ssize(tokens) - 1) / kTokens);
  const auto targets = std::span(tokens).subspan(1, static_cast<std::size_t>(windows->size() * kTokens));
  EXPECT_TRUE(std::ranges::any_of(targets, [&](std::int64_t token) { return pieces->bytes(token) > 2; }));
  EXPECT_EQ(count_text_bytes(*windows, *pieces, 0, windows->size()), std::ssize(pieces->decode(targets)));
  EXPECT_EQ(count_text_bytes(*windows, *pieces, 0, windows->size()),
            std::ssize(text) - pieces->bytes(tokens.front()) -
                std::ssize(pieces->decode(std::span(tokens).subspan(1 + targets.size()))));
}

// Tokens beside another field, as a format other than token files may provide them.
class LabelledWindow final : public Dataset {
 public:
  [[nodiscard]] std::int64_t size() const override { return 1; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  void read(std::int64_t index, SampleBytes out) override {
    require_readable("the window", index, 1, spec_, out);
    const std::vector<std::int32_t> tokens = {'a', 'b', kEndOfDocument, 'c', 'd'};
    std::memcpy(out[1].data(), tokens.data(), out[1].size());
  }

 private:
  core::SampleSpec spec_{{core::label_field(), core::tokens_field(4)}};
};

TEST_F(TextBytes, ReadTheFieldOfTokensAmongOthers) {
  LabelledWindow window;
  EXPECT_EQ(count_text_bytes(window, *make_tokenizer("bytes"), 0, 1), 3);
  testing::FakeDataset images(1);
  expect_error(ExitCode::internal, {"image"},
               [&] { (void)count_text_bytes(images, *make_tokenizer("bytes"), 0, 1); });
}

}  // namespace
}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "data/sentence_pieces.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "base/utf8.h"
#include "data/charsmap.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSpace = "\xe2\x96\x81";  // a space, as pieces write it

// A serialized ModelProto with another normalizer_spec.add_dummy_prefix. It is appended, since the fields of
// concatenated messages are merged. Tests that the model has for itself are left out: they would fail.
std::string with_dummy_prefix(std::string_view model, bool value) {
  constexpr char kNormalizerSpec = 3 << 3 | 2, kSelfTest = 4 << 3 | 2, kAddDummyPrefix = 3 << 3;
  std::string changed;
  for (std::string_view rest = model; !rest.empty();) {
    std::size_t length = 0, at = 1;
    for (unsigned shift = 0; at < rest.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest[at++]);
      length |= std::size_t{byte & 0x7fU} << shift;
      if (byte < 0x80 || shift > 49) break;
    }
    const std::string_view field = rest.substr(0, at + std::min(length, rest.size() - at));
    if (field.front() != kSelfTest) changed += field;
    rest.remove_prefix(field.size());
  }
  return changed + kNormalizerSpec + '\2' + kAddDummyPrefix + (value ? '\1' : '\0');
}

class SentencePieces final : public Tokenizer {
 public:
  explicit SentencePieces(const fs::path& model) {
    const std::string bytes = read_file(model, ExitCode::data);
    load(processor_, bytes, model);
    const std::vector<std::string> x = pieces_of("x");
    adds_space_ = !x.empty() && spaced(x.front()).starts_with(' ');
    ends_with_space_ = !x.empty() && !adds_space_ && spaced(x.back()).ends_with(' ');
    removes_spaces_ = pieces_of("x  x") == pieces_of("x x");
    for (const char* space : {"\t", "\n", "\r"})
      if (pieces_of(std::string("x") + space + "x") == pieces_of("x x")) spaces_ += space;
    may_cut_ = removes_spaces_ || no_piece_crosses_a_space();
    if (adds_space_ || removes_spaces_) {
      other_.emplace();
      load(*other_, with_dummy_prefix(bytes, !adds_space_), model);
    }
    find_bytes();
  }
  [[nodiscard]] std::int64_t vocabulary() const override { return processor_.GetPieceSize(); }
  [[nodiscard]] std::optional<std::int64_t> end_of_document() const override {
    const int id = processor_.eos_id();
    return id < 0 ? std::nullopt : std::optional<std::int64_t>(id);
  }
  // Piece by piece, since the library would remove a space at the beginning of a text.
  [[nodiscard]] std::string decode(std::span<const std::int64_t> tokens) const override {
    std::string text;
    for (const std::int64_t token : tokens) {
      const int id = token >= 0 && token < vocabulary() ? static_cast<int>(token) : -1;
      if (id < 0 || processor_.IsControl(id) || processor_.IsUnknown(id)) continue;
      const std::string& piece = processor_.IdToPiece(id);
      text += processor_.IsByte(id) ? std::string(1, byte_of(piece)) : spaced(piece);
    }
    return text;
  }

  // Ends before the last space that follows another character: pieces begin with spaces, and no piece crosses
  // one. In a model that removes spaces a piece may cross one, but a part must not end with a space there.
  [[nodiscard]] std::size_t stable_prefix(std::string_view text) const override {
    const std::size_t space = may_cut_ ? text.find_last_of(spaces_) : std::string_view::npos;
    if (space == std::string_view::npos) return 0;
    const std::size_t before = text.find_last_not_of(spaces_, space);
    return before == std::string_view::npos ? 0 : before + 1;
  }

 private:
  using Processor = sentencepiece::SentencePieceProcessor;

  static void load(Processor& processor, const std::string& bytes, const fs::path& model) {
    check_charsmaps(bytes, model.string());
    if (const auto status = processor.LoadFromSerializedProto(bytes); !status.ok())
      throw Error(ExitCode::data,
                  fmt::format("{} is not a sentencepiece model: {}", model.string(), status.ToString()));
  }
  static char byte_of(const std::string& piece) {  // <0x0A>
    unsigned byte = 0;
    std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
    return static_cast<char>(byte);
  }
  static std::string spaced(std::string piece) {
    for (std::size_t at = 0; (at = piece.find(kSpace, at)) != std::string::npos;)
      piece.replace(at, kSpace.size(), " ");
    return piece;
  }
  [[nodiscard]] std::vector<std::string> pieces_of(std::string_view text) const {
    std::vector<std::string> pieces;
    if (!processor_.Encode({text.data(), text.size()}, &pieces).ok()) pieces.clear();
    return pieces;
  }
  [[nodiscard]] bool no_piece_crosses_a_space() const {
    for (int id = 0; id < processor_.GetPieceSize(); ++id) {
      const std::string piece = spaced(processor_.IdToPiece(id));
      if (piece.find(' ', piece.find_first_not_of(' ')) != std::string::npos) return false;
    }
    return true;
  }
  void find_bytes() {
    for (int id = 0; id < processor_.GetPieceSize(); ++id)
      if (processor_.IsByte(id)) bytes_[static_cast<unsigned char>(byte_of(processor_.IdToPiece(id)))] = id;
  }

  // The library would turn each byte that is not UTF-8 into U+FFFD. Here it becomes the piece of the byte.
  [[nodiscard]] std::vector<std::int64_t> encode_whole(std::string_view text, Place place) const override {
    if (ends_with_space_ && !(place.is_first() && place.is_last))
      throw Error(
          ExitCode::data,
          fmt::format("a text has more than {}, which is the limit for a sentencepiece model that adds "
                      "a space at the end: split the text",
                      format_bytes(kPartBytes)));
    std::vector<std::int64_t> tokens;
    while (!text.empty()) {
      const std::size_t good = std::min(find_not_utf8(text), text.size());
      append_utf8_tokens(text.substr(0, good), place, tokens);
      text.remove_prefix(good);
      place.offset += static_cast<std::int64_t>(good);
      if (text.empty()) break;
      const auto byte = static_cast<unsigned char>(text.front());
      if (!bytes_[byte])
        throw Error(ExitCode::data, fmt::format("the byte 0x{:02x} at offset {} is not UTF-8, and this "
                                                "sentencepiece model has no piece for it: convert the text "
                                                "to UTF-8 first",
                                                byte, place.offset));
      tokens.push_back(*bytes_[byte]);
      text.remove_prefix(1);
      ++place.offset;
    }
    return tokens;
  }
  // Only the beginning of a text gets the space that the model adds. A model that removes the spaces before a
  // text has to add one to a part that begins with spaces.
  void append_utf8_tokens(std::string_view text, Place place, std::vector<std::int64_t>& tokens) const {
    if (text.empty()) return;
    const bool needs_space =
        place.is_first() ? adds_space_ : removes_spaces_ && spaces_.find(text.front()) != std::string::npos;
    const Processor& processor = needs_space == adds_space_ || !other_ ? processor_ : *other_;
    std::vector<int> ids;
    if (const auto status = processor.Encode({text.data(), text.size()}, &ids); !status.ok())
      throw Error(ExitCode::data,
                  fmt::format("sentencepiece cannot encode this text: {}", status.ToString()));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  }

  Processor processor_;
  std::optional<Processor> other_;  // the other value of add_dummy_prefix, for parts of a text
  std::array<std::optional<int>, 256> bytes_{};
  std::string spaces_ = " ";  // what the model takes for one
  bool may_cut_ = false, adds_space_ = false, ends_with_space_ = false, removes_spaces_ = false;
};

}  // namespace

std::unique_ptr<Tokenizer> open_sentence_pieces(const fs::path& model) {
  return std::make_unique<SentencePieces>(model);
}

}  // namespace ebb::data

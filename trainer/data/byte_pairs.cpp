#include "data/byte_pairs.h"

#include <fmt/format.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::array kEnds = {"<|endoftext|>", "<|end_of_text|>", "</s>"};

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw Error(ExitCode::data, fmt::format("{}: {}", path.string(), what));
}

// The files write a byte as a character that can be seen: printable ones of Latin-1 as themselves, the others
// as U+0100 and on, in their order.
std::array<std::string, 256> visible_bytes() {
  std::array<std::string, 256> all;
  unsigned next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    const unsigned c = printable ? b : next++;
    all[b] = c < 0x80 ? std::string(1, static_cast<char>(c))
                      : std::string{static_cast<char>(0xc0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3f))};
  }
  return all;
}

// A token's bytes; what is no such character stays as it is.
std::string bytes_of(std::string_view token) {
  static const auto known = [] {
    std::unordered_map<std::string, char> map;
    const auto all = visible_bytes();
    for (std::size_t b = 0; b < all.size(); ++b) map[all[b]] = static_cast<char>(b);
    return map;
  }();
  std::string bytes;
  for (std::size_t i = 0; i < token.size();) {
    const auto lead = static_cast<unsigned char>(token[i]);
    const std::size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const std::string character(token.substr(i, n));
    const auto found = known.find(character);
    bytes += found != known.end() ? std::string(1, found->second) : character;
    i += n;
  }
  return bytes;
}

// Cuts text into words by a regular expression; what lies between two matches is a word too.
class Words {
 public:
  Words(std::string_view pattern, const fs::path& from) {
    int error = 0;
    std::size_t at = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &at, nullptr));
    if (code_ == nullptr) {
      std::array<unsigned char, 200> text{};
      pcre2_get_error_message(error, text.data(), text.size());
      refuse(from, fmt::format("its regular expression cannot be used: {} at character {} of {}",
                               reinterpret_cast<const char*>(text.data()), at, pattern));
    }
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // without it the matching is only slower
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }
  template <class Take>
  void cut(std::string_view text, const Take& take) const {
    std::size_t done = 0;
    while (done < text.size()) {
      const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), done,
                                    PCRE2_NOTEMPTY, match_.get(), nullptr);
      if (found < 0) break;
      const std::size_t* const span = pcre2_get_ovector_pointer(match_.get());
      if (span[0] > done) take(text.substr(done, span[0] - done));
      take(text.substr(span[0], span[1] - span[0]));
      done = span[1];
    }
    if (done < text.size()) take(text.substr(done));
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

using Token = std::int64_t;

struct Pair {
  Token left, right;
  bool operator==(const Pair&) const = default;
};
struct PairHash {
  std::size_t operator()(const Pair& p) const {
    return std::hash<Token>()(p.left * 0x9e3779b97f4a7c15LL + p.right);
  }
};
struct Merge {
  std::int64_t rank;
  Token into;
};

// What a tokenizer's files say.
struct Description {
  fs::path from;
  std::unordered_map<std::string, Token> vocabulary;  // as written, special tokens not among them
  std::vector<std::pair<std::string, std::string>> merges;
  std::unordered_map<std::string, Token> special;
  std::string words = std::string(kGpt2Words);
  bool space_first = false;  // before the first word
  bool whole_words = false;  // that are tokens themselves, whatever the merges
};

class BytePairs final : public Tokenizer {
 public:
  explicit BytePairs(const Description& d)
      : words_(d.words, d.from), space_first_(d.space_first), whole_words_(d.whole_words) {
    for (const auto& [text, id] : d.vocabulary) add(d, text, id);
    const auto visible = visible_bytes();
    for (std::size_t b = 0; b < visible.size(); ++b) {
      const auto found = d.vocabulary.find(visible[b]);
      if (found == d.vocabulary.end()) refuse(d.from, fmt::format("there is no token for the byte {}", b));
      bytes_[b] = found->second;
    }
    std::int64_t rank = 0;
    for (const auto& [left, right] : d.merges) {
      const auto l = d.vocabulary.find(left), r = d.vocabulary.find(right),
                 both = d.vocabulary.find(left + right);
      if (l == d.vocabulary.end() || r == d.vocabulary.end() || both == d.vocabulary.end())
        refuse(d.from,
               fmt::format("merge {} is of \"{}\" and \"{}\", and these or what they make are not in the "
                           "vocabulary",
                           rank, left, right));
      merges_.try_emplace({l->second, r->second}, Merge{rank++, both->second});
    }
    for (const auto& [text, id] : d.special) {
      if (id < 0) refuse(d.from, fmt::format("the special token {} has the id {}", text, id));
      count_ = std::max(count_, id + 1);
    }
    for (const char* end : kEnds) {
      const auto found = d.special.find(end);
      const auto plain = d.vocabulary.find(end);
      if (found != d.special.end())
        end_ = found->second;
      else if (plain != d.vocabulary.end())
        end_ = plain->second;
      if (end_) break;
    }
    if (end_ && *end_ < std::ssize(texts_)) texts_[static_cast<std::size_t>(*end_)].clear();
  }

  [[nodiscard]] std::int64_t vocabulary() const override { return count_; }
  [[nodiscard]] std::optional<std::int64_t> end_of_document() const override { return end_; }

  [[nodiscard]] std::vector<Token> encode(std::string_view text) const override {
    std::vector<Token> tokens;
    std::string with_space;
    if (space_first_ && !text.empty() && text.front() != ' ') {
      with_space = " " + std::string(text);
      text = with_space;
    }
    words_.cut(text, [&](std::string_view word) {
      const std::vector<Token>& found = of_word(word);
      tokens.insert(tokens.end(), found.begin(), found.end());
    });
    return tokens;
  }
  [[nodiscard]] std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    for (const Token token : tokens)
      if (token >= 0 && token < std::ssize(texts_)) text += texts_[static_cast<std::size_t>(token)];
    return text;
  }

 private:
  void add(const Description& d, const std::string& text, Token id) {
    constexpr Token kMost = Token{1} << 24;
    if (id < 0 || id >= kMost)
      refuse(d.from,
             fmt::format("the token \"{}\" has the id {}, and ids go from 0 to {}", text, id, kMost - 1));
    if (id >= std::ssize(texts_)) texts_.resize(static_cast<std::size_t>(id + 1));
    texts_[static_cast<std::size_t>(id)] = bytes_of(text);
    if (whole_words_) whole_[bytes_of(text)] = id;
    count_ = std::max(count_, id + 1);
  }

  // Texts repeat their words: those of late are remembered.
  const std::vector<Token>& of_word(std::string_view word) const {
    constexpr std::size_t kRemembered = std::size_t{1} << 16;
    const std::string key(word);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
    if (known_.size() == kRemembered) known_.clear();
    return known_[key] = merged(key);
  }

  // The neighbours of the lowest rank become one, first from the left, until none can.
  [[nodiscard]] std::vector<Token> merged(const std::string& word) const {
    if (const auto found = whole_.find(word); found != whole_.end()) return {found->second};
    std::vector<Token> tokens;
    for (const char c : word) tokens.push_back(bytes_[static_cast<unsigned char>(c)]);
    while (tokens.size() > 1) {
      Merge best{INT64_MAX, 0};
      std::size_t at = 0;
      for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
        const auto found = merges_.find({tokens[i], tokens[i + 1]});
        if (found != merges_.end() && found->second.rank < best.rank) best = found->second, at = i;
      }
      if (best.rank == INT64_MAX) break;
      tokens[at] = best.into;
      tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    return tokens;
  }

  Words words_;
  bool space_first_, whole_words_;
  std::int64_t count_ = 0;
  std::array<Token, 256> bytes_{};
  std::vector<std::string> texts_;  // by id
  std::unordered_map<Pair, Merge, PairHash> merges_;
  std::unordered_map<std::string, Token> whole_;
  std::optional<Token> end_;
  mutable std::unordered_map<std::string, std::vector<Token>> known_;
};

json parsed(const fs::path& path) {
  json document = json::parse(read_file(path, ExitCode::data), nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) refuse(path, "this is no JSON object");
  return document;
}

void read_vocabulary(const json& tokens, Description& d) {
  if (!tokens.is_object()) refuse(d.from, "the vocabulary is no JSON object of tokens and their ids");
  for (const auto& [text, id] : tokens.items()) {
    if (!id.is_number_integer())
      refuse(d.from, fmt::format("the id of the token \"{}\" is no whole number", text));
    d.vocabulary[text] = id.get<Token>();
  }
}

void add_merge(const std::string& line, Description& d) {
  const std::size_t space = line.find(' ');
  if (space == std::string::npos || space == 0 || line.find(' ', space + 1) != std::string::npos)
    refuse(d.from, fmt::format("merge {} is \"{}\", not two tokens with a space between them",
                               d.merges.size(), line));
  d.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
}

std::string type_of(const json& part) {
  return part.is_object() ? part.value("type", std::string("without a type")) : std::string("without a type");
}

// ByteLevel, or Split by a regular expression and then ByteLevel.
void read_words(const json& pre, Description& d) {
  const json parts =
      type_of(pre) == "Sequence" ? pre.value("pretokenizers", json::array()) : json::array({pre});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const json& part = parts[i];
    const std::string type = type_of(part);
    const bool last = i + 1 == parts.size();
    if (type == "ByteLevel" && last) {
      d.space_first = part.value("add_prefix_space", true);
      if (parts.size() > 1 && part.value("use_regex", true))
        refuse(d.from, "its pre-tokenizer cuts twice, by Split and by ByteLevel, which ebb does not do");
      if (parts.size() == 1 && !part.value("use_regex", true)) d.words = R"([\s\S]+)";
      return;
    }
    const json pattern = part.is_object() ? part.value("pattern", json()) : json();
    const bool by_regex = pattern.is_object() && pattern.contains("Regex") && pattern["Regex"].is_string();
    if (type != "Split" || last || i > 0 || !by_regex || part.value("behavior", "") != "Isolated" ||
        part.value("invert", false))
      refuse(d.from,
             fmt::format("its pre-tokenizer ({}) is none that ebb has: ByteLevel, or Split by one regular "
                         "expression, Isolated, and then ByteLevel",
                         type));
    d.words = pattern["Regex"].get<std::string>();
  }
  refuse(d.from, "its pre-tokenizer does not end in ByteLevel: its tokens are not made of bytes");
}

}  // namespace

std::unique_ptr<Tokenizer> open_byte_pairs(const fs::path& tokenizer_json) {
  const json all = parsed(tokenizer_json);
  Description d;
  d.from = tokenizer_json;
  const json model = all.value("model", json::object());
  if (model.value("type", std::string("BPE")) != "BPE" || !model.contains("vocab") ||
      !model.contains("merges"))
    refuse(d.from, fmt::format("its model is {}, and ebb has BPE, with vocab and merges",
                               model.value("type", std::string("without a type"))));
  if (const json normal = all.value("normalizer", json()); !normal.is_null())
    refuse(d.from,
           fmt::format("it changes text by the normalizer {} first, which ebb does not do", type_of(normal)));
  read_words(all.value("pre_tokenizer", json()), d);
  d.whole_words = model.value("ignore_merges", false);
  read_vocabulary(model["vocab"], d);
  for (const json& merge : model["merges"]) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
      d.merges.emplace_back(merge[0], merge[1]);
    else
      add_merge(merge.is_string() ? merge.get<std::string>() : merge.dump(), d);
  }
  for (const json& token : all.value("added_tokens", json::array()))
    if (token.is_object() && token.value("content", json()).is_string() &&
        token.value("id", json()).is_number_integer())
      d.special[token["content"]] = token["id"];
  return std::make_unique<BytePairs>(d);
}

std::unique_ptr<Tokenizer> open_byte_pairs(const fs::path& vocab_json, const fs::path& merges_txt) {
  Description d;
  d.from = vocab_json;
  read_vocabulary(parsed(vocab_json), d);
  d.from = merges_txt;
  std::istringstream lines(read_file(merges_txt, ExitCode::data));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty() && !line.starts_with("#version")) add_merge(line, d);
  }
  return std::make_unique<BytePairs>(d);
}

}  // namespace ebb::data

#include "data/byte_pairs.h"

#include <fmt/format.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "data/byte_pair_files.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array kEnds = {"<|endoftext|>", "<|end_of_text|>", "</s>"};

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
      refuse_tokenizer(from, fmt::format("its regular expression cannot be used: {} at character {} of {}",
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

class BytePairs final : public Tokenizer {
 public:
  explicit BytePairs(const BytePairFiles& d)
      : words_(d.words, d.from), space_first_(d.space_first), whole_words_(d.whole_words) {
    for (const auto& [text, id] : d.vocabulary) add(d, text, id);
    const auto visible = visible_bytes();
    for (std::size_t b = 0; b < visible.size(); ++b) {
      const auto found = d.vocabulary.find(visible[b]);
      if (found == d.vocabulary.end())
        refuse_tokenizer(d.from, fmt::format("there is no token for the byte {}", b));
      bytes_[b] = found->second;
    }
    std::int64_t rank = 0;
    for (const auto& [left, right] : d.merges) {
      const auto l = d.vocabulary.find(left), r = d.vocabulary.find(right),
                 both = d.vocabulary.find(left + right);
      if (l == d.vocabulary.end() || r == d.vocabulary.end() || both == d.vocabulary.end())
        refuse_tokenizer(
            d.from,
            fmt::format("merge {} is of \"{}\" and \"{}\", and these or what they make are not in the "
                        "vocabulary",
                        rank, left, right));
      merges_.try_emplace({l->second, r->second}, Merge{rank++, both->second});
    }
    for (const auto& [text, id] : d.special) {
      if (id < 0) refuse_tokenizer(d.from, fmt::format("the special token {} has the id {}", text, id));
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
  void add(const BytePairFiles& d, const std::string& text, Token id) {
    constexpr Token kMost = Token{1} << 24;
    if (id < 0 || id >= kMost)
      refuse_tokenizer(d.from, fmt::format("the token \"{}\" has the id {}, and ids go from 0 to {}", text,
                                           id, kMost - 1));
    if (id >= std::ssize(texts_)) texts_.resize(static_cast<std::size_t>(id + 1));
    texts_[static_cast<std::size_t>(id)] = bytes_of_token(text);
    if (whole_words_) whole_[bytes_of_token(text)] = id;
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

}  // namespace

std::unique_ptr<Tokenizer> open_byte_pairs(const fs::path& tokenizer_json) {
  return std::make_unique<BytePairs>(read_tokenizer_json(tokenizer_json));
}

std::unique_ptr<Tokenizer> open_byte_pairs(const fs::path& vocab_json, const fs::path& merges_txt) {
  return std::make_unique<BytePairs>(read_vocabulary_and_merges(vocab_json, merges_txt));
}

}  // namespace ebb::data

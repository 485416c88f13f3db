// SPDX-License-Identifier: Apache-2.0
#include "data/byte_pairs.h"

#include <fmt/format.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <stdexcept>
#include <tuple>

#include "base/utf8.h"
#include "data/byte_pair_files.h"
#include "data/word_expression.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array kEnds = {"<|endoftext|>", "<|end_of_text|>", "</s>"};

// Splits text into words by a regular expression. Text between two matches is a word too.
class WordSplitter {
 public:
  WordSplitter(std::string_view library_pattern, const fs::path& from) : from_(from) {
    const std::string pattern = translated(library_pattern);
    const std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(
        pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // for the dot
    int error = 0;
    std::size_t at = 0;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &at, context.get()));
    if (code_ == nullptr) {
      std::array<unsigned char, 200> text{};
      pcre2_get_error_message(error, text.data(), text.size());
      refuse_tokenizer(from, fmt::format("its regular expression cannot be used: {} at character {} of {}",
                                         reinterpret_cast<const char*>(text.data()), at, pattern));
    }
    std::uint32_t may_be_empty = 0;
    pcre2_pattern_info(code_.get(), PCRE2_INFO_MATCHEMPTY, &may_be_empty);
    if (may_be_empty != 0)  // the library cuts a text there
      refuse_tokenizer(from, fmt::format("its regular expression may match an empty text, which ebb does not "
                                         "support: {}",
                                         library_pattern));
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // if this fails, matching is only slower
    match_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }
  [[nodiscard]] bool is_in(std::string_view text) const {
    return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0,
                       match_.get(), nullptr) >= 0;
  }
  template <class Take>
  void cut(std::string_view text, const Take& take) const {
    std::size_t done = 0;
    while (done < text.size()) {
      const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), done,
                                    PCRE2_NOTEMPTY, match_.get(), nullptr);
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (found < 0)
        refuse_tokenizer(
            from_, fmt::format("its regular expression fails on a text, at byte {} of {} (PCRE2 error {})",
                               done, text.size(), found));
      const std::size_t* const span = pcre2_get_ovector_pointer(match_.get());
      if (span[0] > done) take(text.substr(done, span[0] - done));
      take(text.substr(span[0], span[1] - span[0]));
      done = span[1];
    }
    if (done < text.size()) take(text.substr(done));
  }

 private:
  [[nodiscard]] std::string translated(std::string_view pattern) const {
    try {
      return pcre2_expression(pattern);
    } catch (const std::invalid_argument& error) {
      refuse_tokenizer(from_, fmt::format("its regular expression has a part that ebb does not read as the "
                                          "library does: {}",
                                          error.what()));
    }
  }

  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
  };
  fs::path from_;
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> match_;
};

using Token = std::int64_t;

constexpr std::int64_t kMostTokens = 1 << 24;  // the largest published vocabularies have 2^18
// Published vocabularies have few gaps. Each id up to the largest one takes memory.
constexpr std::int64_t kMostIdsPerToken = 2;

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
      : words_(d.words, d.from),
        visible_(R"(\S)", d.from),
        space_first_(d.space_first),
        whole_words_(d.whole_words) {
    const std::int64_t listed = std::ssize(d.vocabulary) + std::ssize(d.special);
    const auto check = [&](const char* kind, const std::string& text, Token id) {
      const Token end = std::min(kMostTokens, kMostIdsPerToken * listed);
      if (id >= 0 && id < end) return;
      refuse_tokenizer(d.from, fmt::format("the {} \"{}\" has the id {}, but for {} listed tokens, ids are 0 "
                                           "to {}",
                                           kind, text, id, listed, end - 1));
    };
    for (const auto& [text, id] : d.vocabulary) check("token", text, id);
    for (const auto& [text, id] : d.special) check("special token", text, id);
    for (const auto& [text, id] : d.vocabulary) add(text, id);
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
      // Of a merge that is listed twice, the library takes the last rank.
      merges_.insert_or_assign({l->second, r->second}, Merge{rank++, both->second});
    }
    for (const auto& [text, id] : d.special) {
      count_ = std::max(count_, id + 1);
      if (id < std::ssize(texts_)) texts_[static_cast<std::size_t>(id)].clear();
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

  [[nodiscard]] std::vector<Token> encode_whole(std::string_view text, Place place) const override {
    std::vector<Token> tokens;
    std::string with_space;
    if (space_first_ && place.is_first() && !text.empty() && text.front() != ' ') {
      with_space = " " + std::string(text);
      text = with_space;
    }
    words_.cut(text, [&](std::string_view word) {
      const std::vector<Token> found = tokens_of_word(word);
      tokens.insert(tokens.end(), found.begin(), found.end());
    });
    return tokens;
  }
  // Ends before the last visible word, which may continue. Later text does not change the words before it,
  // since it ends the spaces that precede it.
  [[nodiscard]] std::size_t stable_prefix(std::string_view text) const override {
    text.remove_suffix(incomplete_bytes(text));
    std::vector<std::string_view> words;
    words_.cut(text, [&](std::string_view word) { words.push_back(word); });
    while (!words.empty() && !visible_.is_in(words.back())) words.pop_back();
    return words.empty() ? 0 : static_cast<std::size_t>(words.back().data() - text.data());
  }
  [[nodiscard]] std::string decode(std::span<const Token> tokens) const override {
    std::string text;
    for (const Token token : tokens)
      if (token >= 0 && token < std::ssize(texts_)) text += texts_[static_cast<std::size_t>(token)];
    return text;
  }

 private:
  void add(const std::string& text, Token id) {
    if (id >= std::ssize(texts_)) texts_.resize(static_cast<std::size_t>(id + 1));
    texts_[static_cast<std::size_t>(id)] = bytes_of_token(text);
    if (whole_words_) whole_[bytes_of_token(text)] = id;
    count_ = std::max(count_, id + 1);
  }

  // Texts repeat their words, so the tokens of short ones are cached.
  [[nodiscard]] std::vector<Token> tokens_of_word(std::string_view word) const {
    constexpr std::size_t kCachedWords = std::size_t{1} << 16, kCachedWordBytes = 32;
    const std::string key(word);
    if (word.size() > kCachedWordBytes) return merge(key);
    if (const auto found = cache_.find(key); found != cache_.end()) return found->second;
    if (cache_.size() == kCachedWords) cache_.clear();
    return cache_[key] = merge(key);
  }

  // Merges the neighbours of the lowest rank, leftmost first, until no merge applies. Candidates are in a
  // priority queue, so a word of n bytes takes O(n log n).
  [[nodiscard]] std::vector<Token> merge(const std::string& word) const {
    if (const auto found = whole_.find(word); found != whole_.end()) return {found->second};
    constexpr std::size_t kNone = SIZE_MAX;
    struct Node {
      Token token;
      std::size_t previous, next;
      bool gone = false;
    };
    struct Candidate {
      std::int64_t rank;
      std::size_t at;  // the left one of the two
      Token left, right, into;
      bool operator>(const Candidate& other) const {
        return std::tie(rank, at) > std::tie(other.rank, other.at);
      }
    };
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < word.size(); ++i)
      nodes.push_back({bytes_[static_cast<unsigned char>(word[i])], i == 0 ? kNone : i - 1,
                       i + 1 == word.size() ? kNone : i + 1});
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> waiting;
    const auto consider = [&](std::size_t at) {
      if (at == kNone || nodes[at].next == kNone) return;
      const Pair pair{nodes[at].token, nodes[nodes[at].next].token};
      if (const auto found = merges_.find(pair); found != merges_.end())
        waiting.push({found->second.rank, at, pair.left, pair.right, found->second.into});
    };
    for (std::size_t i = 0; i < nodes.size(); ++i) consider(i);
    while (!waiting.empty()) {
      const Candidate best = waiting.top();
      waiting.pop();
      Node& left = nodes[best.at];
      // Either of the two may have been merged before.
      if (left.gone || left.token != best.left || left.next == kNone || nodes[left.next].token != best.right)
        continue;
      Node& right = nodes[left.next];
      left.token = best.into;
      right.gone = true;
      left.next = right.next;
      if (right.next != kNone) nodes[right.next].previous = best.at;
      consider(left.previous);
      consider(best.at);
    }
    std::vector<Token> tokens;
    for (const Node& node : nodes)
      if (!node.gone) tokens.push_back(node.token);
    return tokens;
  }

  WordSplitter words_, visible_;
  bool space_first_, whole_words_;
  std::int64_t count_ = 0;
  std::array<Token, 256> bytes_{};
  std::vector<std::string> texts_;  // by id
  std::unordered_map<Pair, Merge, PairHash> merges_;
  std::unordered_map<std::string, Token> whole_;
  std::optional<Token> end_;
  mutable std::unordered_map<std::string, std::vector<Token>> cache_;
};

}  // namespace

std::unique_ptr<Tokenizer> open_byte_pairs(const fs::path& tokenizer_json) {
  return std::make_unique<BytePairs>(read_tokenizer_json(tokenizer_json));
}

std::unique_ptr<Tokenizer> open_byte_pairs(const fs::path& vocab_json, const fs::path& merges_txt) {
  return std::make_unique<BytePairs>(read_vocabulary_and_merges(vocab_json, merges_txt));
}

}  // namespace ebb::data

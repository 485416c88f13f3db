// SPDX-License-Identifier: Apache-2.0
#include "data/word_expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>
#include <vector>

namespace ebb::data {

namespace {

// The property White_Space of Unicode, and all other characters.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kOthers =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027})"
    R"(\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

constexpr std::array<std::string_view, 33> kCategories = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P",  "Pc", "Pd",
    "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc", "Cf"};

// Letters of ASCII that one other character may stand for if case does not matter, such as U+00DF for "ss".
constexpr std::array<std::string_view, 5> kLigatures = {"ss", "ff", "fi", "fl", "st"};

bool is_ascii_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Expression {
 public:
  explicit Expression(std::string_view text) : text_(text) {}

  std::string translated() {
    while (!at_end()) element();
    if (!groups_.empty()) refuse(text_.size(), "an open group");
    return out_;
  }

 private:
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  [[nodiscard]] bool ignores_case() const { return std::ranges::find(groups_, true) != groups_.end(); }
  [[noreturn]] void refuse(std::size_t at, const std::string& what) const {
    throw std::invalid_argument(fmt::format("{} at character {} of {}", what, at, text_));
  }
  [[noreturn]] void refuse_here(std::size_t length) const {
    refuse(at_, std::string(text_.substr(at_, length)));
  }
  void copy(std::size_t length) {
    out_ += text_.substr(at_, length);
    at_ += length;
  }

  void element() {
    const char c = text_[at_];
    if (c != '*' && c != '+' && c != '?' && c != '{') may_repeat_ = true;
    if (ignores_case()) without_case(c);
    switch (c) {
      case '(':
        return open();
      case ')':
        if (groups_.empty()) refuse_here(1);
        groups_.pop_back();
        return copy(1);
      case '[':
        return set();
      case '\\':
        return escape(false);
      case '{':
        return counted();
      case '^':
      case '$':
        return refuse_here(1);
      case '*':
      case '+':
      case '?':
        return repeated();
      default:
        return copy(1);
    }
  }

  // Only letters of ASCII have the same equals in both libraries.
  void without_case(char c) const {
    if (c == '\\' || (static_cast<unsigned char>(c) & 0x80) != 0)
      refuse(at_, "a part without regard to case that is not of ASCII letters,");
    for (const std::string_view pair : kLigatures) {
      const std::string_view two = rest().substr(0, 2);
      if (std::ranges::equal(two, pair, {}, [](char x) { return static_cast<char>(x | 0x20); }))
        refuse(at_, fmt::format("\"{}\" without regard to case", two));
    }
  }

  void open() {
    const bool is_special = rest().starts_with("(?");
    std::size_t length = 1;
    if (is_special) {
      constexpr std::array<std::string_view, 5> kKnown = {"(?:", "(?i:", "(?=", "(?!", "(?>"};
      const auto found =
          std::ranges::find_if(kKnown, [&](std::string_view known) { return rest().starts_with(known); });
      if (found == kKnown.end()) refuse_here(std::min(rest().find_first_of(":)=!>", 2), std::size_t{8}) + 1);
      length = found->size();
    } else if (rest().starts_with("(*")) {
      refuse_here(2);
    }
    groups_.push_back(rest().starts_with("(?i:"));
    copy(length);
    may_repeat_ = false;
  }

  void repeated() {
    if (!may_repeat_) refuse_here(1);
    copy(1);
    if (rest().starts_with('?') || rest().starts_with('+')) copy(1);  // lazy, possessive
    may_repeat_ = false;
  }

  // {n}, {n,} and {n,m}. What follows them as a lazy or possessive sign has another meaning in Ruby.
  void counted() {
    const std::size_t end = rest().find('}');
    const std::string_view inner = end == std::string_view::npos ? "" : rest().substr(1, end - 1);
    const bool is_count = !inner.empty() && inner.front() != ',' &&
                          inner.find_first_not_of("0123456789,") == std::string_view::npos &&
                          std::ranges::count(inner, ',') <= 1;
    if (!may_repeat_ || !is_count) refuse_here(std::min(end, std::size_t{8}) + 1);
    copy(end + 1);
    if (rest().starts_with('?') || rest().starts_with('+') || rest().starts_with('*')) refuse_here(1);
    may_repeat_ = false;
  }

  // Returns the number of hexadecimal digits at `from`.
  [[nodiscard]] std::size_t hex_digits(std::size_t from) const {
    std::size_t n = from;
    while (n < text_.size() && std::isxdigit(static_cast<unsigned char>(text_[n])) != 0) ++n;
    return n - from;
  }

  void escape(bool in_set) {
    if (rest().size() < 2) refuse_here(1);
    const char c = text_[at_ + 1];
    const auto bracketed = [&](std::string_view inner) {
      out_ += in_set ? std::string(inner) : fmt::format("[{}]", inner);
      at_ += 2;
    };
    if (c == 's') return bracketed(kSpaces);
    if (c == 'S') return bracketed(kOthers);
    if (c == 'p' || c == 'P') {
      const std::size_t end = rest().find('}');
      if (rest().substr(2, 1) != "{" || end == std::string_view::npos ||
          std::ranges::find(kCategories, rest().substr(3, end - 3)) == kCategories.end())
        refuse_here(std::min(end, std::size_t{20}) + 1);
      return copy(end + 1);
    }
    if (c == 'u') {
      if (hex_digits(at_ + 2) < 4) refuse_here(6);
      out_ += fmt::format("\\x{{{}}}", text_.substr(at_ + 2, 4));
      at_ += 6;
      return;
    }
    if (c == 'x' && rest().substr(2, 1) == "{") {
      const std::size_t digits = hex_digits(at_ + 3);
      if (digits < 1 || digits > 6 || rest().substr(3 + digits, 1) != "}") refuse_here(4);
      return copy(4 + digits);
    }
    const bool is_known = std::string_view("dDrntf").find(c) != std::string_view::npos;
    if ((static_cast<unsigned char>(c) & 0x80) != 0 || (is_ascii_letter_or_digit(c) && !is_known))
      refuse_here(2);
    copy(2);
  }

  // Within a set, Ruby has nested sets and intersections.
  void set() {
    const std::size_t begin = at_;
    const bool ignores = ignores_case();
    copy(1);
    if (rest().starts_with('^')) copy(1);
    if (ignores && text_[at_ - 1] == '^') refuse(begin, "[^ without regard to case");
    if (rest().starts_with(']')) refuse_here(1);
    bool may_begin_range = false;
    range_open_ = false;
    while (!rest().starts_with(']')) {
      if (at_end()) refuse(begin, "an open set [");
      if (rest().starts_with('[')) refuse_here(1);
      if (rest().starts_with("&&")) refuse_here(2);
      const char c = text_[at_];
      if (ignores && (c == '-' || c == '\\' || (static_cast<unsigned char>(c) & 0x80) != 0))
        refuse(at_, "a set without regard to case that is not of single ASCII letters,");
      const bool is_first = at_ == begin + 1 || (at_ == begin + 2 && text_[begin + 1] == '^');
      const bool is_last = rest().starts_with("-]");
      if (c == '-' && !is_first && !is_last && !may_begin_range) refuse_here(1);
      const bool is_range = c == '-' && !is_first && !is_last;
      const bool is_class =
          c == '\\' && std::string_view("sSdDpP").find(rest().substr(1, 1)) != std::string_view::npos;
      const bool after_range = range_open_;
      if (after_range && is_class) refuse_here(2);
      range_open_ = is_range;
      may_begin_range = c != '-' && !is_class && !after_range;
      c == '\\' ? escape(true) : copy(1);
      while (!at_end() && (static_cast<unsigned char>(text_[at_]) & 0xc0) == 0x80) copy(1);
    }
    copy(1);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string out_;
  std::vector<bool> groups_;  // whether each open one ignores case
  bool may_repeat_ = false, range_open_ = false;
};

}  // namespace

std::string pcre2_expression(std::string_view expression) {
  return Expression(expression).translated();
}

}  // namespace ebb::data

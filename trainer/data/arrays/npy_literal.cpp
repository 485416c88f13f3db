// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/npy_literal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "base/printable.h"

namespace ebb::data {
namespace {

class LiteralParser {
 public:
  explicit LiteralParser(std::string_view text) : text_(text) {}

  NpyLiteral parse() {
    expect('{');
    for (skip_blanks(); !take('}'); skip_blanks()) {
      const std::string key = parse_string();
      skip_blanks();
      expect(':');
      skip_blanks();
      parse_value(key);
      if (literal_.structured) return literal_;  // its fields are not parsed, so it does not go on
      skip_blanks();
      if (take(',')) continue;
      expect('}');
      break;
    }
    if (!has_descr_ || !has_order_ || !has_shape_) fail("it lacks descr, fortran_order or shape");
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    if (at_ != text_.size()) fail("it goes on after the dictionary");
    return literal_;
  }

 private:
  void parse_value(const std::string& key) {
    if (key == "descr") {
      mark(has_descr_, key);
      if (at_ < text_.size() && text_[at_] == '[') {
        literal_.structured = true;
      } else {
        literal_.descr = parse_string();
      }
    } else if (key == "fortran_order") {
      mark(has_order_, key);
      literal_.fortran_order = take("True");
      if (!literal_.fortran_order && !take("False")) fail("fortran_order is neither True nor False");
    } else if (key == "shape") {
      mark(has_shape_, key);
      parse_shape();
    } else {
      fail(fmt::format("it has the key '{}', and only descr, fortran_order and shape are known",
                       printable(key)));
    }
  }
  void parse_shape() {
    constexpr std::size_t kMostDimensions = 64;  // NumPy's
    expect('(');
    bool comma = true;
    for (skip_blanks(); !take(')'); skip_blanks()) {
      if (!comma) fail("there is no comma between two numbers");
      if (literal_.shape.size() == kMostDimensions)
        fail(fmt::format("it has more than {} dimensions", kMostDimensions));
      literal_.shape.push_back(parse_number());
      skip_blanks();
      comma = take(',');
    }
    if (literal_.shape.size() == 1 && !comma) fail("(N) is a number; a shape of one dimension is (N,)");
  }
  std::int64_t parse_number() {
    std::int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail("a number of its shape is too large");
    if (error != std::errc() || value < 0) fail("a number from 0 on is expected");
    at_ += static_cast<std::size_t>(end - begin);
    (void)take('L');
    return value;
  }
  std::string parse_string() {
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("a text in quotes is expected");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a text has no end");
    const std::string_view found = text_.substr(at_ + 1, end - at_ - 1);
    if (found.find_first_of("\\\n") != std::string_view::npos) fail("a text has a backslash or a new line");
    at_ = end + 1;
    return std::string(found);
  }
  void mark(bool& seen, const std::string& key) {
    if (seen) fail(fmt::format("it has {} twice", key));
    seen = true;
  }
  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(fmt::format("{} is expected", c));
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(fmt::format("at character {}: {}", at_, what));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  NpyLiteral literal_;
  bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

}  // namespace

NpyLiteral parse_npy_literal(std::string_view text) {
  return LiteralParser(text).parse();
}

}  // namespace ebb::data

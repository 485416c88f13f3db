#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ebb::config {

// What is wrong with a configuration, gathered so that a person mends it in one go.
class Problems {
 public:
  // `place` is "file:line", or the override; `line` orders them. Several keys are "a`, `b` and `c".
  void add(int line, std::string_view place, std::string_view key, std::string_view what);
  // Throws Error(usage) with all of them (the first ten of many) in the order of the lines, if there are any.
  void throw_if_any();

 private:
  struct Problem {
    int line;
    std::string text;
  };
  std::vector<Problem> problems_;
};

}  // namespace ebb::config

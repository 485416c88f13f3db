// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ebb::config {

// Collects the problems of a configuration and reports up to ten of them together.
class Problems {
 public:
  // `place`: "file:line" or the override. `line`: for sorting. Several keys are written "a`, `b` and `c".
  void add(int line, std::string_view place, std::string_view key, std::string_view what);
  // Throws Error(usage) with the first ten problems, in the order of their lines, if there is one.
  void throw_if_any();

 private:
  struct Problem {
    int line;
    std::string text;
  };
  std::vector<Problem> problems_;
};

}  // namespace ebb::config

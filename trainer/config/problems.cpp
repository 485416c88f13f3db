// SPDX-License-Identifier: Apache-2.0
#include "config/problems.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace ebb::config {

void Problems::add(int line, std::string_view place, std::string_view key, std::string_view what) {
  const char* const word = key.find('`') == std::string_view::npos ? "key" : "keys";
  problems_.push_back({line, key.empty() ? fmt::format("{}: {}", place, what)
                                         : fmt::format("{}: {} `{}`: {}", place, word, key, what)});
}

void Problems::throw_if_any() {
  if (problems_.empty()) return;
  if (problems_.size() == 1) throw Error(ExitCode::usage, problems_.front().text);
  std::ranges::stable_sort(problems_, {}, &Problem::line);
  constexpr std::size_t kMost = 10;
  std::string text = fmt::format("the configuration has {} problems:", problems_.size());
  for (std::size_t i = 0; i < std::min(problems_.size(), kMost); ++i) text += "\n  " + problems_[i].text;
  if (problems_.size() > kMost) text += fmt::format("\n  and {} more", problems_.size() - kMost);
  throw Error(ExitCode::usage, text);
}

}  // namespace ebb::config

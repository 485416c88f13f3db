// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "base/error.h"

namespace ebb::config {
namespace {

// Records the starts of documents.
class DocumentStart : public YAML::EventHandler {
 public:
  YAML::Mark mark;

  void OnDocumentStart(const YAML::Mark& start) override { mark = start; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}
};

std::string where(const std::string& place, const YAML::Mark& mark) {
  return mark.is_null() ? place : fmt::format("{}:{}:{}", place, mark.line + 1, mark.column + 1);
}

// Returns the text from a position to the end of its line.
std::string text_at(const std::string& text, int line_number, int column) {
  std::istringstream lines(text);
  std::string line;
  for (int i = 0; i <= line_number; ++i) std::getline(lines, line);
  return line.substr(std::min(line.size(), static_cast<std::size_t>(column)));
}

// The first tab in the indentation of a line.
std::optional<YAML::Mark> tab_in_indentation(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  for (YAML::Mark mark; std::getline(lines, line); ++mark.line) {
    const std::size_t first = line.find_first_not_of(' ');
    if (first == std::string::npos || line[first] != '\t') continue;
    mark.column = static_cast<int>(first);
    return mark;
  }
  return std::nullopt;
}

// The line of the text at `mark`, below it a caret at the column. A tab is as wide as a space. At most 70
// characters, from the begin of the line.
std::string excerpt(const std::string& text, const YAML::Mark& mark) {
  constexpr std::size_t kWidth = 70;
  std::string line = text_at(text, mark.line, 0);
  std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  const auto column = static_cast<std::size_t>(mark.column);
  if (mark.is_null() || line.empty() || column > kWidth) return "";
  return fmt::format("\n  {}\n  {:>{}}", line.substr(0, kWidth), "^", column + 1);
}

// The library reads text after a document, such as a comma, as the start of another document, and never
// reaches its end. YAML::LoadAll would then exhaust the memory, and YAML::Load would drop the rest.
void refuse_second_document(const std::string& text, const std::string& place) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart document;
  if (!parser.HandleNextDocument(document) || !parser.HandleNextDocument(document)) return;
  const std::string rest = text_at(text, document.mark.line, document.mark.column);
  throw Error(ExitCode::usage, rest.starts_with("---")
                                   ? fmt::format("{}: another YAML document (`---`) begins; allowed: one",
                                                 where(place, document.mark))
                                   : fmt::format("{}: this is not valid YAML: `{}` is not expected here",
                                                 where(place, document.mark), rest));
}

}  // namespace

YAML::Node parse_document(const std::string& text, const std::string& place) {
  try {
    refuse_second_document(text, place);
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    // The library reports a tab where it disturbs, which is often a later line.
    if (const auto tab = tab_in_indentation(text); tab && tab->line <= error.mark.line)
      throw Error(ExitCode::usage,
                  fmt::format("{}: this is not valid YAML: a tab in the indentation; use spaces{}",
                              where(place, *tab), excerpt(text, *tab)));
    throw Error(ExitCode::usage, fmt::format("{}: this is not valid YAML: {}{}", where(place, error.mark),
                                             error.msg, excerpt(text, error.mark)));
  }
}

}  // namespace ebb::config

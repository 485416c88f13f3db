// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
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

// Returns the text from `mark` to the end of its line.
std::string text_at(const std::string& text, const YAML::Mark& mark) {
  std::istringstream lines(text);
  std::string line;
  for (int i = 0; i <= mark.line; ++i) std::getline(lines, line);
  return line.substr(std::min(line.size(), static_cast<std::size_t>(mark.column)));
}

// The library reads text after a document, such as a comma, as the start of another document, and never
// reaches its end. YAML::LoadAll would then exhaust the memory, and YAML::Load would drop the rest.
void refuse_second_document(const std::string& text, const std::string& place) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart document;
  if (!parser.HandleNextDocument(document) || !parser.HandleNextDocument(document)) return;
  const std::string rest = text_at(text, document.mark);
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
    throw Error(ExitCode::usage,
                fmt::format("{}: this is not valid YAML: {}", where(place, error.mark), error.msg));
  }
}

}  // namespace ebb::config

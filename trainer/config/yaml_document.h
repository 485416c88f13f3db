#pragma once
#include <yaml-cpp/yaml.h>

#include <string>

namespace ebb::config {

// The one YAML document in `text`; a null node when there is none. What is no YAML, and what is more than one
// document, is an Error(usage) that names `place` and the line.
YAML::Node parse_document(const std::string& text, const std::string& place);

}  // namespace ebb::config

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <yaml-cpp/yaml.h>

#include <string>

namespace ebb::config {

// Parses the only YAML document in `text`; a null node where `text` has none. Invalid YAML and more than one
// document are an Error(usage) that names `place` and the line.
YAML::Node parse_document(const std::string& text, const std::string& place);

}  // namespace ebb::config

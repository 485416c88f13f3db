// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <yaml-cpp/yaml.h>

#include <string>

namespace ebb::config {

// Parses the only YAML document in `text`; returns a null node if there is none. Error(usage) with `place`
// and the line for invalid YAML and for several documents.
YAML::Node parse_document(const std::string& text, const std::string& place);

}  // namespace ebb::config

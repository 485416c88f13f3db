// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/version_1.h"

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include "core/sample.h"

namespace ebb::checkpoint {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kRenamed = {{
    {"model.parts", "model.architecture"},
    {"model.key_heads", "model.kv_heads"},
}};
// Each had only one value in 0.1, which is the behaviour without the key.
constexpr std::array<std::string_view, 3> kRemoved = {"optimizer.kind", "parallel.shard",
                                                      "parallel.reduction"};

// Returns the key's path in the present version; nullopt: there is none.
std::optional<std::string> present_path(const std::string& path) {
  if (std::ranges::find(kRemoved, path) != kRemoved.end()) return std::nullopt;
  for (const auto& [before, now] : kRenamed)
    if (path == before) return std::string(now);
  return path;
}

ConfigValues present_keys(const ConfigValues& saved) {
  ConfigValues present;
  for (const auto& [key, value] : saved)
    if (auto path = present_path(key)) present.emplace_back(std::move(*path), value);
  return present;
}

// Converts YAML as ebb 0.1 wrote it: one key per line, two spaces for each section above it.
std::string present_yaml(const std::string& saved) {
  std::istringstream lines(saved);
  std::string present;
  std::vector<std::string> sections;  // that contain the line, from the outermost
  for (std::string line; std::getline(lines, line);) {
    const std::size_t indent = line.find_first_not_of(' ');
    const std::size_t colon = line.find(':');
    if (indent == std::string::npos || colon == std::string::npos || colon < indent) {
      present += line + "\n";
      continue;
    }
    sections.resize(std::min(sections.size(), indent / 2));
    std::string path;
    for (const std::string& section : sections) path += section + ".";
    const std::string key = line.substr(indent, colon - indent);
    const auto now = present_path(path + key);
    if (now) present += line.substr(0, indent) + now->substr(path.size()) + line.substr(colon) + "\n";
    if (colon + 1 == line.size()) sections.push_back(key);
  }
  return present;
}

// Converts the model's values. Version 1 has only the shape of the samples.
void describe_sample(nlohmann::json& values) {
  const auto model = values.find("model");
  if (model == values.end() || (!model->contains("sample") && !model->contains("image"))) return;
  *model = {{"sample", core::sample_spec_of_version_1(*model)}};
}

}  // namespace

Manifest from_version_1(Manifest manifest) {
  describe_sample(manifest.values);
  manifest.mathematical = present_keys(manifest.mathematical);
  manifest.resolved_config = present_yaml(manifest.resolved_config);
  return manifest;
}

}  // namespace ebb::checkpoint

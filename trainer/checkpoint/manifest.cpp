// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "checkpoint/version_1.h"

namespace ebb::checkpoint {
namespace {

constexpr const char* kFormatName = "ebb-checkpoint";

[[noreturn]] void damaged(const std::filesystem::path& folder, const std::string& why) {
  throw Error(ExitCode::checkpoint, fmt::format("{}: {}", folder.string(), why));
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

nlohmann::json to_json(const Manifest& m) {
  nlohmann::json files = nlohmann::json::array(), tensors = nlohmann::json::object(),
                 mathematical = nlohmann::json::array();
  for (const auto& f : m.files) files.push_back({{"name", f.name}, {"bytes", f.bytes}, {"xxh3", f.xxh3}});
  for (const auto& [name, t] : m.tensors) {
    tensors[name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"file", t.file}};
  }
  for (const auto& [key, value] : m.mathematical) mathematical.push_back(nlohmann::json::array({key, value}));
  return {{"format", kFormatName},
          {"version", kFormatVersion},
          {"step", m.step},
          {"world", m.world},
          {"files", files},
          {"tensors", tensors},
          {"values", m.values},
          {"mathematical", mathematical},
          {"resolved_config", m.resolved_config},
          {"defaulted", m.defaulted}};
}

Manifest from_json(const std::filesystem::path& folder, const nlohmann::json& json) {
  Manifest m;
  m.step = whole_number(json.at("step"));
  m.world = whole_number(json.at("world"));
  for (const auto& f : json.at("files")) {
    m.files.push_back(
        {f.at("name").get<std::string>(), whole_number(f.at("bytes")), f.at("xxh3").get<std::string>()});
    if (!is_plain_name(m.files.back().name))
      damaged(folder, "the manifest names a file outside the checkpoint");
  }
  for (const auto& [name, t] : json.at("tensors").items()) {
    SavedTensor saved{t.at("dtype").get<std::string>(), whole_numbers(t.at("shape")),
                      t.at("file").get<std::string>()};
    const auto listed =
        std::any_of(m.files.begin(), m.files.end(), [&](const auto& f) { return f.name == saved.file; });
    if (!listed)
      damaged(folder, fmt::format("{} should be in {}, which the manifest does not list", name, saved.file));
    m.tensors.emplace(name, std::move(saved));
  }
  m.values = json.at("values");
  for (const auto& pair : json.at("mathematical")) {
    m.mathematical.emplace_back(pair.at(0).get<std::string>(), pair.at(1).get<std::string>());
  }
  json.at("resolved_config").get_to(m.resolved_config);
  m.defaulted = json.value("defaulted", std::vector<std::string>{});  // checkpoints of 0.2 may lack it
  return m;
}

std::string done_text(const std::string& manifest_text) {
  return fmt::format("{} xxh3 {}\n", kManifestName, digest_hex(manifest_text));
}

}  // namespace

void write_manifest(const std::filesystem::path& folder, const Manifest& manifest) {
  const std::string text = to_json(manifest).dump(1) + "\n";
  write_file_atomically(folder / kManifestName, text);
  write_file_atomically(folder / kDoneName, done_text(text));
}

Manifest read_manifest(const std::filesystem::path& folder) {
  constexpr ExitCode kMissing = ExitCode::checkpoint;
  if (!std::filesystem::exists(folder / kDoneName))
    damaged(folder, "it has no DONE marker: it was never finished");
  const std::string done = read_file(folder / kDoneName, kMissing);
  const std::string text = read_file(folder / kManifestName, kMissing);
  // The check of the hash precedes that of the version: a flipped bit must not look like a later version.
  // Both checks are the same in every version.
  if (done != done_text(text))
    damaged(folder, "manifest.json does not match DONE: one of the two is damaged");
  try {
    const auto json = parse_json(text);
    if (json.at("format") != kFormatName) damaged(folder, "its manifest is not that of an ebb checkpoint");
    const auto version = whole_number(json.at("version"));
    if (version < 1)
      damaged(folder, fmt::format("its manifest has format version {}, which does not exist", version));
    if (version > kFormatVersion) {
      throw NewerFormat(
          ExitCode::checkpoint,
          fmt::format("{}: the checkpoint is of format version {}, this ebb reads up to version {}. Use the "
                      "ebb that wrote it, or a later one",
                      folder.string(), version, kFormatVersion));
    }
    Manifest manifest = from_json(folder, json);
    return version == 1 ? from_version_1(std::move(manifest)) : manifest;
  } catch (const nlohmann::json::exception& e) {
    damaged(folder, fmt::format("its manifest is incomplete ({})", e.what()));
  } catch (const JsonError& e) {
    damaged(folder, fmt::format("its manifest is not JSON ({})", e.what()));
  }
}

}  // namespace ebb::checkpoint

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "config/description.h"
#include "config/document.h"
#include "config/scalar.h"

namespace ebb::config {
namespace {

void explain_field(const std::string& path, const Field::Impl& field, std::string& out) {
  out += path + "\n";
  if (!field.doc.empty()) out += fmt::format("  {}\n", field.doc);
  if (field.only_where) out += fmt::format("  only where {}\n", field.only_where->words);
  out += fmt::format("  allowed: {}\n", allowed(field));
  out += field.required ? "  default: none, it has to be given\n"
                        : fmt::format("  default: {}\n", render_value(field, field.initial));
  out += field.free_to_change ? "  a resumed run may change it\n"
         : field.shapes_state ? "  a resumed run has to keep it: the saved tensors depend on it\n"
                              : "  a resumed run has to keep it\n";
}

void explain_section(const std::string& path, const Section& section, std::string& out) {
  if (!path.empty()) out += fmt::format("{}\n  {}\n", path, section.impl().doc);
  for (const auto& entry : section.impl().entries) {
    const std::string here = join_path(path, entry.key);
    if (!out.empty()) out += "\n";
    if (entry.field) {
      explain_field(here, *entry.field, out);
    } else {
      explain_section(here, *entry.section, out);
    }
  }
}

}  // namespace

std::string explain(const Section& root, std::string_view key) {
  std::string out;
  if (key.empty()) {
    explain_section("", root, out);
    return out;
  }
  std::string unknown;
  const auto* entry = find_path(root, key, unknown);
  if (entry == nullptr) throw Error(ExitCode::usage, fmt::format("key `{}`: {}", key, unknown));
  if (entry->section) {
    explain_section(std::string(key), *entry->section, out);
    return out;
  }
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    if (path != key) return;
    if (!out.empty()) out += "\n";
    explain_field(path, field, out);
  });
  return out;
}

}  // namespace ebb::config

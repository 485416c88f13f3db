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
  out += fmt::format("  allowed: {}\n", allowed(field));
  out += field.required ? "  default: none, it has to be given\n"
                        : fmt::format("  default: {}\n", render_value(field, field.initial));
  out += field.free_to_change ? "  a resumed run may change it\n" : "  a resumed run has to keep it\n";
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
  const Section* section = &root;
  std::string path;
  for (std::string_view rest = key;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    const auto* entry = section->impl().find(name);
    if (entry == nullptr) {
      throw Error(ExitCode::usage,
                  fmt::format("key `{}`: unknown{}", key, suggestion(root, *section, path, name)));
    }
    path = join_path(path, name);
    const bool last = dot == std::string_view::npos;
    if (entry->field && !last) {
      throw Error(ExitCode::usage,
                  fmt::format("key `{}`: unknown; `{}` is a value and has no keys below it", key, path));
    }
    if (last) {
      if (entry->field) {
        explain_field(path, *entry->field, out);
      } else {
        explain_section(path, *entry->section, out);
      }
      return out;
    }
    section = entry->section.get();
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace ebb::config

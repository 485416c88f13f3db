// SPDX-License-Identifier: Apache-2.0
// The strict YAML reader with the configuration of a run and overrides: "KEY=VALUE\n…\n---\nYAML". An
// accepted configuration is written and read again with the same result.
#include "config/document.h"
#include "fuzz/input.h"
#include "models/families.h"
#include "train/config.h"

namespace ebb::fuzz {
namespace {

void read(std::string_view input) {
  std::vector<std::string> overrides;
  std::string_view yaml = input;
  if (const auto end = input.find("\n---\n"); end != std::string_view::npos) {
    yaml = input.substr(end + 5);
    std::string_view head = input.substr(0, end);
    while (!head.empty() && overrides.size() < 8) {
      const auto line = head.substr(0, head.find('\n'));
      overrides.emplace_back(line);
      head.remove_prefix(std::min(head.size(), line.size() + 1));
    }
  }
  const train::Registries registries{models::described_families(), data::builtin_formats()};
  train::Config once(registries), again(registries);
  config::Section first = train::described(once), second = train::described(again);
  const config::References references = config::load_text(std::string(yaml), "fuzz", overrides, first);
  const std::string written = config::resolved_yaml(first, references);
  const config::References again_references = config::load_text(written, "again", {}, second);
  require(config::resolved_yaml(second, again_references) == written);
  require(config::digest(second) == config::digest(first));
  train::Config saved(registries);
  train::load_saved(saved, written, "saved", {});
  require(train::resolved_yaml(saved) == written);
}

}  // namespace
}  // namespace ebb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  fuzz::refused_or_read(ExitCode::usage, [&] { fuzz::read(fuzz::text(data, size)); });
  return 0;
}

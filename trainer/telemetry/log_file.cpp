// SPDX-License-Identifier: Apache-2.0
#include "telemetry/log_file.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace ebb::telemetry {
namespace {

bool is_kept(const std::string& line, std::int64_t first_step) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return true;
  const auto step = json["step"].get<std::int64_t>();
  return step < first_step || (step == first_step && json.contains("eval"));
}

// Calls `use` with each line, without its newline, and a flag: the line had a newline.
template <class F>
void for_each_line(const std::filesystem::path& path, const F& use) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(ExitCode::storage, fmt::format("cannot read {}", path.string()));
  std::string line;
  while (std::getline(in, line)) use(line, !in.eof());
  if (in.bad()) throw Error(ExitCode::storage, fmt::format("cannot read {}", path.string()));
}

}  // namespace

void drop_lines_from(const std::filesystem::path& path, std::int64_t first_step) {
  if (!std::filesystem::exists(path)) return;
  bool change = false;
  for_each_line(path,
                [&](const std::string& line, bool whole) { change |= !whole || !is_kept(line, first_step); });
  if (!change) return;
  AtomicFile file(path);
  for_each_line(path, [&](const std::string& line, bool whole) {
    if (whole && is_kept(line, first_step)) file.append(line + "\n");
  });
  file.commit();
}

}  // namespace ebb::telemetry

// SPDX-License-Identifier: Apache-2.0
#include "train/run_folder.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "train/cursor.h"

namespace ebb::train {

void remove_leftovers(const std::filesystem::path& run) {
  // The launcher of the run before may still write its verdict.
  constexpr std::chrono::seconds kAge{60};
  for (const std::filesystem::path& folder : {run, run / "memory"}) remove_temporary_files(folder, kAge);
}

void write_configuration(const std::filesystem::path& run, const std::string& resolved_yaml) {
  write_file_atomically(run / "config.yaml", resolved_yaml);
}

void write_results(const std::filesystem::path& run, const Results& results) {
  const nlohmann::json json = {
      {"steps", results.steps}, {"test_loss", results.test_loss}, {"text", results.text}};
  write_file_atomically(run / "results.json", json.dump(2) + "\n");
}

std::optional<Results> read_results(const std::filesystem::path& run) {
  const std::filesystem::path path = run / "results.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const nlohmann::json json = parse_json_or_discard(read_file(path, ExitCode::checkpoint));
    return Results{whole_number(json.at("steps")), json.at("test_loss"), json.at("text")};
  } catch (const nlohmann::json::exception& error) {
    throw Error(
        ExitCode::checkpoint,
        fmt::format("{} is damaged; delete it to recreate it from the last checkpoint", path.string()),
        error);
  }
}

void write_rollback(const std::filesystem::path& run, const StoredRollback& rollback) {
  const nlohmann::json json = {{"step", rollback.step}, {"stream_position", rollback.end}};
  write_file_atomically(run / "rollback.json", json.dump() + "\n");
}

std::optional<StoredRollback> read_rollback(const std::filesystem::path& run) {
  const std::filesystem::path path = run / "rollback.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    const nlohmann::json json = parse_json_or_discard(read_file(path, ExitCode::checkpoint));
    return StoredRollback{whole_number(json.at("step"), 0, Cursor::kLastPosition),
                          whole_number(json.at("stream_position"), 0, Cursor::kLastPosition)};
  } catch (const nlohmann::json::exception& error) {
    throw Error(
        ExitCode::checkpoint,
        fmt::format("{} is damaged; delete it, and the run may use the samples with which it diverged "
                    "again",
                    path.string()),
        error);
  }
}

}  // namespace ebb::train

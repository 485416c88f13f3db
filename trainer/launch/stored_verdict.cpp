// SPDX-License-Identifier: Apache-2.0
#include "launch/stored_verdict.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/printable.h"

namespace ebb::launch {
namespace {

constexpr std::array kFinalCodes = {ExitCode::usage, ExitCode::data, ExitCode::memory, ExitCode::numerics,
                                    ExitCode::checkpoint};

constexpr std::string_view kMessageBegin = "code ";  // of a termination message

std::filesystem::path path_in(const std::filesystem::path& run_folder) {
  return run_folder / "verdict.json";
}

std::string_view name(ExitCode code) {
  switch (code) {
    case ExitCode::ok:
      return "done";
    case ExitCode::usage:
      return "configuration";
    case ExitCode::data:
      return "data";
    case ExitCode::memory:
      return "memory";
    case ExitCode::communication:
      return "communication";
    case ExitCode::numerics:
      return "diverged";
    case ExitCode::checkpoint:
      return "checkpoint";
    case ExitCode::storage:
      return "storage";
    case ExitCode::stopped:
      return "stopped, checkpoint saved";
    default:
      return "a fault of ebb";
  }
}

}  // namespace

bool is_final(ExitCode code) {
  return std::ranges::find(kFinalCodes, code) != kFinalCodes.end();
}

std::optional<StoredVerdict> read_verdict(const std::filesystem::path& run_folder) {
  try {
    const auto json = parse_json_or_discard(read_file(path_in(run_folder), ExitCode::storage));
    StoredVerdict verdict;
    verdict.code = static_cast<ExitCode>(whole_number(json.at("code"), 0, 255));
    if (!is_final(verdict.code)) return std::nullopt;
    verdict.message = json.at("message");
    verdict.rank = json.at("rank").is_null()
                       ? -1
                       : static_cast<int>(whole_number(json.at("rank"), 0, std::numeric_limits<int>::max()));
    verdict.host = json.at("host");
    verdict.time = json.at("time");
    verdict.job = {json.at("attempt"), json.at("configuration"), json.at("version")};
    return verdict;
  } catch (const Error&) {
    return std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

void store_verdict(const std::filesystem::path& run_folder, const StoredVerdict& verdict) {
  const nlohmann::ordered_json json = {
      {"code", static_cast<int>(verdict.code)},
      {"message", printable(verdict.message)},
      {"rank", verdict.rank < 0 ? nlohmann::ordered_json() : nlohmann::ordered_json(verdict.rank)},
      {"host", verdict.host},
      {"time", verdict.time},
      {"attempt", verdict.job.attempt},
      {"configuration", verdict.job.configuration},
      {"version", verdict.job.version}};
  make_folders(run_folder);
  // A host may have a name that is not UTF-8.
  write_file_atomically(path_in(run_folder),
                        json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void remove_verdict(const std::filesystem::path& run_folder) {
  std::error_code error;
  std::filesystem::remove(path_in(run_folder), error);
}

std::string join_lines(const std::string& text) {
  std::string line;
  std::istringstream lines(text);
  for (std::string part; std::getline(lines, part);) {
    const std::size_t begin = part.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    line += (line.empty() ? "" : "; ") + part.substr(begin);
  }
  return line;
}

std::string describe_end(ExitCode code, const ErrorReport& error) {
  std::string text = fmt::format("{}{} ({})", kMessageBegin, static_cast<int>(code), name(code));
  if (error.rank >= 0) text += fmt::format(", rank {}", error.rank);
  if (!error.host.empty()) text += " on " + error.host;
  return error.text.empty() ? text : text + ": " + join_lines(error.text);
}

bool write_termination_message(const std::filesystem::path& file, const std::string& message) {
  const std::string text = printable(message);  // kubectl shows it in a terminal
  constexpr std::size_t kMaxBytes = 4096;
  std::size_t size = std::min(text.size(), kMaxBytes - 1);
  // Cut between characters: continuation bytes of UTF-8 are 10xxxxxx.
  if (size < text.size())
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  const std::string line = text.substr(0, size) + "\n";
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  const ssize_t written = ::write(fd, line.data(), line.size());
  return ::close(fd) == 0 && written == static_cast<ssize_t>(line.size());
}

void require_termination_file(const std::filesystem::path& file) {
  namespace fs = std::filesystem;
  std::error_code none;
  const auto refuse = [&](std::string_view why) {
    throw Error(ExitCode::usage, fmt::format("launch: --termination-message {}: {}", file.string(), why));
  };
  if (fs::is_directory(file, none)) refuse("it is a folder: give the name of a file");
  if (!fs::is_regular_file(file, none)) return;
  std::array<char, kMessageBegin.size()> begin{};
  std::ifstream(file, std::ios::binary).read(begin.data(), begin.size());
  if (fs::file_size(file, none) > 0 && std::string_view(begin.data(), begin.size()) != kMessageBegin)
    refuse("the file has another text: give another name, or remove it");
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

}  // namespace ebb::launch

// SPDX-License-Identifier: Apache-2.0
#include "cli/output_option.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace ebb::cli {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void refuse_output(const std::string& option, const std::string& path, std::string_view why) {
  throw Error(ExitCode::usage, fmt::format("{} {}: {}", option, path, why));
}

// Of a file that is there, and is not empty.
bool begins_as(OutputKind kind, const std::string& path) {
  constexpr std::string_view kPng = "\x89PNG\r\n\x1a\n";
  std::array<char, kPng.size()> begin{};
  std::ifstream in(path, std::ios::binary);
  in.read(begin.data(), begin.size());
  const std::string_view read(begin.data(), static_cast<std::size_t>(in.gcount()));
  switch (kind) {
    case OutputKind::png:
      return read == kPng;
    case OutputKind::json:
      return read.starts_with('{');
    case OutputKind::text:
      return false;
  }
  return false;
}

}  // namespace

void check_output_option(const std::string& option, const std::string& path, OutputKind kind) {
  if (path.empty()) return;
  std::error_code error;
  const fs::file_status there = fs::status(path, error);
  if (fs::is_directory(there) || path.ends_with('/'))
    refuse_output(option, path, "it is a folder: give the name of a file");
  std::string ending = fs::path(path).extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  if (kind == OutputKind::png && ending != ".png")
    refuse_output(option, path, "images are written as PNG: give a name that ends in .png");
  const fs::path folder = fs::absolute(path).parent_path();
  if (!fs::is_directory(folder, error))
    refuse_output(option, path, fmt::format("there is no folder {}", folder.string()));
  if (!fs::exists(there)) return;
  if (!fs::is_regular_file(there))
    refuse_output(option, path, "it is a pipe, a socket or a device: give the name of a file");
  if (fs::file_size(path, error) > 0 && !begins_as(kind, path))
    refuse_output(option, path,
                  kind == OutputKind::text
                      ? "the file exists: give another name, or remove it"
                      : "the file exists and is no earlier output: give another name, or remove it");
}

}  // namespace ebb::cli

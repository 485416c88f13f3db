// SPDX-License-Identifier: Apache-2.0
#include "base/lfs_pointer.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

#include "base/shell.h"
#include "base/units.h"

namespace ebb {

void refuse_lfs_pointer(const std::filesystem::path& path, std::string_view head, ExitCode code) {
  if (!head.starts_with(kLfsPointer)) return;
  constexpr std::string_view kSize = "\nsize ";
  std::string what = "the file";
  if (const std::size_t at = head.find(kSize); at != std::string_view::npos) {
    const std::string_view digits = head.substr(at + kSize.size());
    std::int64_t bytes = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), bytes).ec == std::errc() && bytes > 0)
      what = fmt::format("the file of {}", format_bytes(bytes));
  }
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  throw Error(code, fmt::format("{} is a pointer of git-lfs in place of {}. To fetch it:\n"
                                "  git lfs install && git -C {} lfs pull --include {}",
                                path.string(), what, shell_quoted(folder.string()),
                                shell_quoted(path.filename().string())));
}

}  // namespace ebb

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string_view>

#include "base/error.h"

namespace ebb {

// How a pointer file of git-lfs begins. A clone without git-lfs has such a text in place of each large file.
inline constexpr std::string_view kLfsPointer = "version https://git-lfs.github.com/spec/v1";

// If a file whose contents begin with `head` is such a pointer, throws an Error of this code, with the size
// of the real file and the command that fetches it.
void refuse_lfs_pointer(const std::filesystem::path& path, std::string_view head, ExitCode code);

}  // namespace ebb

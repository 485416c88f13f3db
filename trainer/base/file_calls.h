// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/error.h"

// The system's calls on files, with their errors in words. For the files of this folder, and for others that
// call the system themselves.
namespace ebb {

// Linux moves at most about 2 GiB in one call.
inline constexpr std::size_t kLargestTransfer = std::size_t{1} << 30;

// "cannot WHAT: No space left on device; free some space there, or choose another folder"
std::string describe_failure(const std::string& what, int error);
[[noreturn]] void fail_writing(const std::string& what, int error);  // Error(storage)
// A missing file has the code of the caller; a failure of the device or the system is a storage error.
[[noreturn]] void fail_reading(const std::string& what, int error, ExitCode missing);

// open(2) with O_CLOEXEC; -1 with errno if it fails.
int open_retrying(const std::filesystem::path& path, int flags);
// Returns 0 or the errno of the first failed write; `done` counts the bytes written before it.
int write_all(int fd, std::span<const std::byte> bytes, std::int64_t& done);
// The folder of a path; "." if the path names none.
std::filesystem::path folder_of(const std::filesystem::path& path);

}  // namespace ebb

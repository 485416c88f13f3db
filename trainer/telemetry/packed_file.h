// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.h"

namespace ebb::telemetry {

// Writes `from` to `to` as one zstd frame, in blocks, with less than 1 MB of memory. It replaces `to`
// atomically. Error(storage) if a file cannot be read or written.
void pack_file(const std::filesystem::path& from, const std::filesystem::path& to);

class DamagedPart : public Error {
 public:
  explicit DamagedPart(const std::string& message) : Error(ExitCode::storage, message) {}
};

// The reverse. DamagedPart if `from` is damaged, or unpacks to more than `most_bytes`.
void unpack_file(const std::filesystem::path& from, const std::filesystem::path& to, std::int64_t most_bytes);

// The first line of a packed file, without its newline; empty if there is none. DamagedPart if it is
// damaged before the end of that line, or if the line is above kLongestLogLine (log_file.h).
std::string first_line_of_packed(const std::filesystem::path& packed);

}  // namespace ebb::telemetry

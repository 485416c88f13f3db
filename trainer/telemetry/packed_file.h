// SPDX-License-Identifier: Apache-2.0
#pragma once
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

// The reverse. DamagedPart if `from` is damaged.
void unpack_file(const std::filesystem::path& from, const std::filesystem::path& to);

// The first line of a packed file, without its newline; empty if there is none. DamagedPart as above.
std::string first_line_of_packed(const std::filesystem::path& packed);

}  // namespace ebb::telemetry

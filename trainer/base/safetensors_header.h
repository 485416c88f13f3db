// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace ebb {

// The header of a safetensors file: u64 N (little-endian), N bytes of JSON, the buffer.
inline constexpr std::int64_t kMostSafetensorsHeader = 100'000'000;

// A dtype that the caller reads.
struct SafetensorsDtype {
  std::string_view name;  // "F32"
  std::int64_t bytes;     // of an element
};

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // a name in the caller's list
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0, end = 0;  // bytes, relative to the buffer
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // by offset
  std::map<std::string, std::string> metadata;
  std::int64_t buffer_start = 0;  // byte of the file
};

// Reads and checks it: the dtypes are in `dtypes`, the lengths agree with the shapes, there are no holes or
// overlaps, each name occurs once, and the size of the file agrees. Otherwise an Error of this code names the
// path and the reason. A dtype of the library that is not in `dtypes` is named as not read, not as damage.
SafetensorsHeader read_safetensors_header(const std::filesystem::path& path, const ReadFile& file,
                                          std::span<const SafetensorsDtype> dtypes, ExitCode code);

}  // namespace ebb

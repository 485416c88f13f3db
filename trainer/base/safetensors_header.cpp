// SPDX-License-Identifier: Apache-2.0
#include "base/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

#include "base/json.h"
#include "base/lfs_pointer.h"

namespace ebb {

static_assert(std::endian::native == std::endian::little, "the length is read in the byte order of the file");

namespace {

using nlohmann::ordered_json;

// Of the library.
constexpr std::array<std::string_view, 22> kSafetensorsDtypes = {
    "F16",         "BF16", "F32",     "F64",     "I64",     "I32",     "I16",     "U8",
    "BOOL",        "F4",   "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ",
    "F8_E5M2FNUZ", "I8",   "U16",     "U32",     "U64",     "C64"};

// Parses one header. Knows for whom.
class HeaderParser {
 public:
  HeaderParser(const std::filesystem::path& path, std::span<const SafetensorsDtype> dtypes, ExitCode code)
      : path_(path), dtypes_(dtypes), code_(code) {}

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(code_, fmt::format("{}: not a valid safetensors file: {}", path_.string(), why));
  }

  [[nodiscard]] ordered_json parse(const std::string& text) const {
    try {
      return parse_json<ordered_json>(text);
    } catch (const JsonError& error) {
      refuse(fmt::format("its header is not JSON: {}", error.what()));
    }
  }

  [[nodiscard]] SafetensorsEntry entry(const std::string& name, const ordered_json& value) const {
    if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets"))
      refuse(fmt::format("tensor {} needs dtype, shape and data_offsets", name));
    const auto& shape = value["shape"];
    const auto& offsets = value["data_offsets"];
    const SafetensorsDtype dtype = dtype_of(name, value["dtype"]);
    const auto figure = [](const ordered_json& v) {
      return v.is_number_unsigned() && v.get<std::uint64_t>() <= std::uint64_t{INT64_MAX};
    };
    if (!shape.is_array() || !std::all_of(shape.begin(), shape.end(), figure))
      refuse(fmt::format("tensor {} has shape {}", name, shape.dump()));
    if (!offsets.is_array() || offsets.size() != 2 || !figure(offsets[0]) || !figure(offsets[1]))
      refuse(fmt::format("tensor {} has data_offsets {}", name, offsets.dump()));
    SafetensorsEntry entry{name, std::string(dtype.name), shape.get<std::vector<std::int64_t>>(),
                           offsets[0].get<std::int64_t>(), offsets[1].get<std::int64_t>()};
    // `extent` counts a dimension of 0 as 1: strides are computed from it, so it must not overflow either.
    std::int64_t extent = dtype.bytes, bytes = extent;
    bool overflow = false;
    for (const std::int64_t n : entry.shape) {
      overflow |= __builtin_mul_overflow(extent, std::max<std::int64_t>(n, 1), &extent);
      overflow |= __builtin_mul_overflow(bytes, n, &bytes);
    }
    if (overflow) refuse(fmt::format("tensor {} of shape {} is larger than any memory", name, shape.dump()));
    if (entry.end < entry.begin || entry.end - entry.begin != bytes)
      refuse(fmt::format("tensor {} of {} {} takes {} bytes, but its data_offsets are {}", name, dtype.name,
                         shape.dump(), bytes, offsets.dump()));
    return entry;
  }

  [[nodiscard]] std::map<std::string, std::string> metadata(const ordered_json& value) const {
    std::map<std::string, std::string> all;
    if (value.is_null()) return all;  // the library takes it for none
    if (!value.is_object()) refuse("__metadata__ is not an object");
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) refuse(fmt::format("__metadata__ {} is not a string", key));
      all[key] = item.get<std::string>();
    }
    return all;
  }

 private:
  // "F16, BF16 and F32"
  [[nodiscard]] std::string read_dtypes() const {
    std::string names;
    for (std::size_t i = 0; i < dtypes_.size(); ++i)
      names += fmt::format("{}{}", i == 0 ? "" : i + 1 == dtypes_.size() ? " and " : ", ", dtypes_[i].name);
    return names;
  }

  [[nodiscard]] SafetensorsDtype dtype_of(const std::string& name, const ordered_json& value) const {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    const auto known = std::ranges::find(dtypes_, text, &SafetensorsDtype::name);
    if (known != dtypes_.end()) return *known;
    if (std::ranges::find(kSafetensorsDtypes, text) != kSafetensorsDtypes.end())
      throw Error(code_,
                  fmt::format("{}: tensor {} has dtype {}, which ebb does not read; it reads {}: convert the "
                              "weights first",
                              path_.string(), name, text, read_dtypes()));
    refuse(fmt::format("tensor {} has dtype {}, which safetensors does not have; ebb reads {}", name,
                       value.dump(), read_dtypes()));
  }

  const std::filesystem::path& path_;
  std::span<const SafetensorsDtype> dtypes_;
  ExitCode code_;
};

}  // namespace

SafetensorsHeader read_safetensors_header(const std::filesystem::path& path, const ReadFile& file,
                                          std::span<const SafetensorsDtype> dtypes, ExitCode code) {
  const HeaderParser parser(path, dtypes, code);
  std::string head(static_cast<std::size_t>(std::min<std::int64_t>(file.size(), 200)), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(head)));
  refuse_lfs_pointer(path, head, code);
  std::uint64_t length = 0;
  if (file.size() < 8) parser.refuse(fmt::format("it has {} bytes, too few for a header", file.size()));
  file.read_at(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > std::uint64_t{kMostSafetensorsHeader} || static_cast<std::int64_t>(length) > file.size() - 8)
    parser.refuse(fmt::format("its header should have {} bytes, more than the file ({}) or the limit ({})",
                              length, file.size(), kMostSafetensorsHeader));
  std::string text(length, '\0');
  file.read_at(8, std::as_writable_bytes(std::span(text)));
  if (text.empty() || text.front() != '{') parser.refuse("its header does not start with {");
  SafetensorsHeader header;
  const ordered_json parsed = parser.parse(text);
  for (const auto& [name, value] : parsed.items()) {
    if (name == "__metadata__") {
      header.metadata = parser.metadata(value);
    } else {
      header.entries.push_back(parser.entry(name, value));
    }
  }
  std::sort(header.entries.begin(), header.entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::int64_t end = 0;
  for (const SafetensorsEntry& entry : header.entries) {
    if (entry.begin != end)
      parser.refuse(fmt::format("tensor {} starts at byte {} of the buffer, but the one before ends at {}",
                                entry.name, entry.begin, end));
    end = entry.end;
  }
  header.buffer_start = 8 + static_cast<std::int64_t>(length);
  if (file.size() - header.buffer_start != end)
    parser.refuse(
        fmt::format("it has {} bytes, but its header says {}", file.size(), header.buffer_start + end));
  return header;
}

}  // namespace ebb

// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/safetensors_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/error.h"
#include "base/printable.h"
#include "base/safetensors_header.h"

namespace ebb::data {
namespace {

struct ArrayDtype {
  SafetensorsDtype dtype;
  char kind;  // of ArrayHeader
};

constexpr std::array<ArrayDtype, 13> kArrayDtypes = {{{{"U8", 1}, 'u'},
                                                      {{"U16", 2}, 'u'},
                                                      {{"U32", 4}, 'u'},
                                                      {{"U64", 8}, 'u'},
                                                      {{"I8", 1}, 'i'},
                                                      {{"I16", 2}, 'i'},
                                                      {{"I32", 4}, 'i'},
                                                      {{"I64", 8}, 'i'},
                                                      {{"BOOL", 1}, 'b'},
                                                      {{"F16", 2}, 'f'},
                                                      {{"BF16", 2}, 'f'},
                                                      {{"F32", 4}, 'f'},
                                                      {{"F64", 8}, 'f'}}};

class SafetensorsArrays final : public ArrayFile {
 public:
  explicit SafetensorsArrays(const std::filesystem::path& path)
      : path_(path), file_(std::make_shared<const ReadFile>(path, ExitCode::data)) {
    std::vector<SafetensorsDtype> dtypes;
    for (const ArrayDtype& known : kArrayDtypes) dtypes.push_back(known.dtype);
    header_ = read_safetensors_header(path, *file_, dtypes, ExitCode::data);
    std::ranges::sort(header_.entries, {}, &SafetensorsEntry::name);
  }
  [[nodiscard]] std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const SafetensorsEntry& entry : header_.entries) all.push_back(entry.name);
    return all;
  }
  [[nodiscard]] StoredArray array(const std::string& name) const override {
    const auto entry = std::ranges::lower_bound(header_.entries, name, {}, &SafetensorsEntry::name);
    const auto known = std::ranges::find_if(
        kArrayDtypes, [&](const ArrayDtype& dtype) { return dtype.dtype.name == entry->dtype; });
    StoredArray array;
    array.name = name;
    array.where = fmt::format("{}, tensor {}", path_.string(), printable(name));
    array.header = {known->kind, known->dtype.bytes, false, false, entry->shape, 0};
    array.file = file_;
    array.base = header_.buffer_start + entry->begin;
    return array;
  }

 private:
  std::filesystem::path path_;
  std::shared_ptr<const ReadFile> file_;
  SafetensorsHeader header_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_safetensors_arrays(const std::filesystem::path& path) {
  return std::make_unique<SafetensorsArrays>(path);
}

}  // namespace ebb::data

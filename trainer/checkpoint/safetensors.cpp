// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lfs_pointer.h"
#include "checkpoint/chunks.h"
#include "memory/buffer.h"

namespace ebb::checkpoint {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

namespace {

constexpr std::array<std::pair<std::string_view, at::ScalarType>, 9> kDtypes = {{{"F16", at::kHalf},
                                                                                 {"BF16", at::kBFloat16},
                                                                                 {"F32", at::kFloat},
                                                                                 {"F64", at::kDouble},
                                                                                 {"I64", at::kLong},
                                                                                 {"I32", at::kInt},
                                                                                 {"I16", at::kShort},
                                                                                 {"U8", at::kByte},
                                                                                 {"BOOL", at::kBool}}};
constexpr std::string_view kReadDtypes = "F16, BF16, F32, F64, I64, I32, I16, U8 and BOOL";
// The others of the library.
constexpr std::array<std::string_view, 13> kOtherDtypes = {
    "F4",          "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ",
    "F8_E5M2FNUZ", "I8",      "U16",     "U32",     "U64",     "C64"};

at::Tensor staging_view(const memory::Buffer& staging, const at::Tensor& chunk) {
  return at::from_blob(staging.data(), chunk.sizes(), at::TensorOptions().dtype(chunk.scalar_type()));
}

bool lies_ready(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.is_contiguous();
}

std::span<std::byte> memory_of(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

std::string header_text(const NamedTensors& ordered, const Metadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::int64_t offset = 0;
  for (const auto& [name, tensor] : ordered) {
    const auto end = offset + static_cast<std::int64_t>(tensor.nbytes());
    header[name] = {{"dtype", dtype_name(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // aligns the start of the buffer
  return text;
}

}  // namespace

std::string_view dtype_name(at::ScalarType dtype) {
  for (const auto& [name, known] : kDtypes) {
    if (known == dtype) return name;
  }
  throw Error(ExitCode::checkpoint,
              fmt::format("a checkpoint cannot hold tensors of dtype {}", c10::toString(dtype)));
}

WrittenFile write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                              const Metadata& metadata) {
  NamedTensors ordered;
  for (const auto& [name, tensor] : tensors) ordered.emplace_back(name, tensor.variable_data());
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    const auto wide_a = a.second.element_size(), wide_b = b.second.element_size();
    return wide_a != wide_b ? wide_a > wide_b : a.first < b.first;
  });
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    if (ordered[i].first == "__metadata__" || (i > 0 && ordered[i].first == ordered[i - 1].first)) {
      throw Error(
          ExitCode::internal,
          fmt::format("tensor name {} cannot be saved: it is reserved or repeated", ordered[i].first));
    }
  }
  AtomicFile file(path);
  Digest digest;
  const auto put = [&](std::span<const std::byte> bytes) {
    digest.add(bytes);
    file.append(bytes);
  };
  const std::string header = header_text(ordered, metadata);
  const std::uint64_t length = header.size();
  put(std::as_bytes(std::span(&length, 1)));
  put(std::as_bytes(std::span(header)));
  memory::Buffer staging;
  for (const auto& [name, tensor] : ordered) {
    if (lies_ready(tensor)) {
      put(memory_of(tensor));
      continue;
    }
    if (staging.size() == 0) staging = {kStagingBytes, memory::Class::checkpoint, "checkpoint staging"};
    for_each_chunk(tensor, kStagingBytes, [&](const at::Tensor& chunk) {
      staging_view(staging, chunk).copy_(chunk);
      put(staging.bytes().first(chunk.nbytes()));
    });
  }
  file.commit();
  return {file.bytes_written(), digest.hex()};
}

namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ExitCode::checkpoint, fmt::format("{}: not a valid safetensors file: {}", path.string(), why));
}

nlohmann::ordered_json parse_header(const std::filesystem::path& path, const std::string& text) {
  try {
    return parse_json<nlohmann::ordered_json>(text);
  } catch (const JsonError& error) {
    refuse(path, fmt::format("its header is not JSON: {}", error.what()));
  }
}

TensorEntry parse_entry(const std::filesystem::path& path, const std::string& name,
                        const nlohmann::ordered_json& value) {
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    refuse(path, fmt::format("tensor {} needs dtype, shape and data_offsets", name));
  }
  const auto& dtype = value["dtype"];
  const auto& shape = value["shape"];
  const auto& offsets = value["data_offsets"];
  const auto known = std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& d) {
    return dtype.is_string() && dtype.get_ref<const std::string&>() == d.first;
  });
  if (known == kDtypes.end()) {
    if (dtype.is_string() &&
        std::ranges::find(kOtherDtypes, dtype.get_ref<const std::string&>()) != kOtherDtypes.end())
      throw Error(ExitCode::checkpoint,
                  fmt::format("{}: tensor {} has dtype {}, which ebb does not read; it reads {}: convert the "
                              "weights first",
                              path.string(), name, dtype.get_ref<const std::string&>(), kReadDtypes));
    refuse(path, fmt::format("tensor {} has dtype {}, which safetensors does not have; ebb reads {}", name,
                             dtype.dump(), kReadDtypes));
  }
  const auto figure = [](const nlohmann::ordered_json& v) {
    return v.is_number_unsigned() && v.get<std::uint64_t>() <= std::uint64_t{INT64_MAX};
  };
  if (!shape.is_array() || !std::all_of(shape.begin(), shape.end(), figure)) {
    refuse(path, fmt::format("tensor {} has shape {}", name, shape.dump()));
  }
  if (!offsets.is_array() || offsets.size() != 2 || !figure(offsets[0]) || !figure(offsets[1])) {
    refuse(path, fmt::format("tensor {} has data_offsets {}", name, offsets.dump()));
  }
  TensorEntry entry{name, known->second, shape.get<std::vector<std::int64_t>>(),
                    offsets[0].get<std::int64_t>(), offsets[1].get<std::int64_t>()};
  // `extent` counts a dimension of 0 as 1: strides are computed from it, so it must not overflow either.
  std::int64_t extent = static_cast<std::int64_t>(c10::elementSize(entry.dtype)), bytes = extent;
  bool overflow = false;
  for (const std::int64_t n : entry.shape) {
    overflow |= __builtin_mul_overflow(extent, std::max<std::int64_t>(n, 1), &extent);
    overflow |= __builtin_mul_overflow(bytes, n, &bytes);
  }
  if (overflow)
    refuse(path, fmt::format("tensor {} of shape {} is larger than any memory", name, shape.dump()));
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    refuse(path, fmt::format("tensor {} of {} {} takes {} bytes, but its data_offsets are {}", name,
                             known->first, shape.dump(), bytes, offsets.dump()));
  }
  return entry;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(path, ExitCode::checkpoint) {
  std::string head(static_cast<std::size_t>(std::min<std::int64_t>(file_.size(), 200)), '\0');
  file_.read_at(0, std::as_writable_bytes(std::span(head)));
  refuse_lfs_pointer(path, head, ExitCode::checkpoint);
  std::uint64_t length = 0;
  if (file_.size() < 8) refuse(path, fmt::format("it has {} bytes, too few for a header", file_.size()));
  file_.read_at(0, std::as_writable_bytes(std::span(&length, 1)));
  if (length > std::uint64_t{kMaxHeaderBytes} || static_cast<std::int64_t>(length) > file_.size() - 8) {
    refuse(path, fmt::format("its header should have {} bytes, more than the file ({}) or the limit ({})",
                             length, file_.size(), kMaxHeaderBytes));
  }
  std::string text(length, '\0');
  file_.read_at(8, std::as_writable_bytes(std::span(text)));
  if (text.empty() || text.front() != '{') refuse(path, "its header does not start with {");
  const auto header = parse_header(path, text);
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      entries_.push_back(parse_entry(path, name, value));
      continue;
    }
    if (value.is_null()) continue;  // the library takes it for none
    if (!value.is_object()) refuse(path, "__metadata__ is not an object");
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) refuse(path, fmt::format("__metadata__ {} is not a string", key));
      metadata_[key] = item.get<std::string>();
    }
  }
  std::sort(entries_.begin(), entries_.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::int64_t end = 0;
  for (const auto& entry : entries_) {
    if (entry.begin != end) {
      refuse(path, fmt::format("tensor {} starts at byte {} of the buffer, but the one before ends at {}",
                               entry.name, entry.begin, end));
    }
    end = entry.end;
  }
  buffer_start_ = 8 + static_cast<std::int64_t>(length);
  if (file_.size() - buffer_start_ != end) {
    refuse(path, fmt::format("it has {} bytes, but its header says {}", file_.size(), buffer_start_ + end));
  }
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  for (const auto& entry : entries_) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

void SafetensorsFile::read(const TensorEntry& entry, const at::Tensor& into) const {
  if (into.scalar_type() != entry.dtype || into.sizes() != at::IntArrayRef(entry.shape)) {
    throw Error(ExitCode::internal,
                fmt::format("{}: {} read into another shape or dtype", path_.string(), entry.name));
  }
  const at::Tensor target = into.variable_data();
  std::int64_t offset = buffer_start_ + entry.begin;
  if (lies_ready(target)) {
    file_.read_at(offset, memory_of(target));
    return;
  }
  memory::Buffer staging(static_cast<std::size_t>(std::min(kStagingBytes, entry.end - entry.begin)),
                         memory::Class::checkpoint, "checkpoint staging");
  for_each_chunk(target, kStagingBytes, [&](const at::Tensor& chunk) {
    const auto bytes = staging.bytes().first(chunk.nbytes());
    file_.read_at(offset, bytes);
    chunk.copy_(staging_view(staging, chunk));
    offset += static_cast<std::int64_t>(bytes.size());
  });
}

}  // namespace ebb::checkpoint

// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/safetensors_header.h"
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

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), file_(path, ExitCode::checkpoint) {
  std::vector<SafetensorsDtype> dtypes;
  for (const auto& [name, dtype] : kDtypes)
    dtypes.push_back({name, static_cast<std::int64_t>(c10::elementSize(dtype))});
  SafetensorsHeader header = read_safetensors_header(path, file_, dtypes, ExitCode::checkpoint);
  for (SafetensorsEntry& entry : header.entries) {
    const auto known = std::ranges::find_if(kDtypes, [&](const auto& d) { return d.first == entry.dtype; });
    entries_.push_back(
        {std::move(entry.name), known->second, std::move(entry.shape), entry.begin, entry.end});
  }
  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
  std::ranges::sort(by_name_, {}, [this](std::size_t i) { return std::string_view(entries_[i].name); });
  metadata_ = std::move(header.metadata);
  buffer_start_ = header.buffer_start;
}

const TensorEntry* SafetensorsFile::find(std::string_view name) const {
  const auto name_of = [this](std::size_t i) { return std::string_view(entries_[i].name); };
  const auto found = std::ranges::lower_bound(by_name_, name, {}, name_of);
  return found != by_name_.end() && name_of(*found) == name ? &entries_[*found] : nullptr;
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

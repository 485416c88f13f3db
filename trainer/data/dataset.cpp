// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "data/labels.h"

namespace ebb::data {

std::string Dataset::digest() {
  constexpr std::int64_t kSamples = 16;
  Digest digest;
  const auto add_text = [&](std::string_view text) { digest.add(std::as_bytes(std::span(text))); };
  add_text(fmt::format("{} samples\n", size()));
  std::vector<std::vector<std::byte>> values;
  std::vector<std::span<std::byte>> spans;
  for (const core::FieldSpec& field : spec().fields) {
    add_text(fmt::format("{} {} [{}]\n", field.name, core::name(field.type), fmt::join(field.dims, ",")));
    values.emplace_back(static_cast<std::size_t>(field.bytes()));
  }
  for (std::vector<std::byte>& value : values) spans.emplace_back(value);
  for (const std::int64_t index : spread_evenly(size(), kSamples)) {
    read(index, spans);
    for (const std::vector<std::byte>& value : values) digest.add(value);
  }
  return digest.hex();
}

void require_readable(const std::string& what, std::int64_t index, std::int64_t size,
                      const core::SampleSpec& spec, SampleBytes out) {
  if (index < 0 || index >= size)
    throw Error(ExitCode::internal, fmt::format("{} has no sample {}, only {}", what, index, size));
  bool fits = out.size() == spec.fields.size();
  for (std::size_t i = 0; fits && i < out.size(); ++i) fits = std::ssize(out[i]) == spec.fields[i].bytes();
  if (!fits)
    throw Error(ExitCode::internal,
                fmt::format("{}: the memory passed for sample {} does not fit its fields", what, index));
}

Block allocate_on_heap(std::size_t bytes, const char* /*purpose*/) {
  const std::shared_ptr<std::byte[]> memory(new std::byte[bytes]);
  return {{memory.get(), bytes}, memory};
}

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ebb::data {

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

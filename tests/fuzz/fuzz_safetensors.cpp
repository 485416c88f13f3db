// SPDX-License-Identifier: Apache-2.0
// A safetensors file, header and all tensors.
#include <ATen/ATen.h>

#include "checkpoint/safetensors.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static fuzz::InputFile input;
  input.put(fuzz::text(data, size));
  fuzz::refused_or_read(ExitCode::checkpoint, [] {
    const checkpoint::SafetensorsFile file(input.path());
    std::int64_t end = 0;
    for (const checkpoint::TensorEntry& entry : file.entries()) {
      fuzz::require(entry.begin == end);  // neither holes nor overlaps
      end = entry.end;
      fuzz::require(file.find(entry.name) != nullptr);
      const at::Tensor into = at::empty(entry.shape, at::TensorOptions().dtype(entry.dtype));
      fuzz::require(static_cast<std::int64_t>(into.nbytes()) == entry.end - entry.begin);
      file.read(entry, into);
    }
  });
  return 0;
}

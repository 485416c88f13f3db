// SPDX-License-Identifier: Apache-2.0
// Files of arrays: one byte chooses .npy, .npz or .safetensors. They are read as a run reads them, and
// described.
#include <array>
#include <vector>

#include "data/arrays/dataset.h"
#include "data/arrays/format.h"
#include "data/arrays/inspect.h"
#include "data/arrays/source.h"
#include "fuzz/input.h"

namespace ebb::fuzz {
namespace {

void read_samples(const data::DataConfig& config, const data::SplitRequest& request) {
  const auto dataset = data::open_arrays(config, request);
  require(dataset->size() > 0);
  if (dataset->spec().bytes() > 1 << 20) return;  // a caller's memory, not the reader's
  std::vector<std::vector<std::byte>> values;
  std::vector<std::span<std::byte>> spans;
  for (const core::FieldSpec& field : dataset->spec().fields)
    values.emplace_back(static_cast<std::size_t>(field.bytes()));
  for (std::vector<std::byte>& value : values) spans.emplace_back(value);
  for (std::int64_t i = 0; i < std::min<std::int64_t>(dataset->size(), 64); ++i)
    refused_or_read(ExitCode::data, [&] { dataset->read(i, spans); });
  refused_or_read(ExitCode::data, [&] { dataset->read(dataset->size() - 1, spans); });
}

}  // namespace
}  // namespace ebb::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  static const fuzz::InputFolder folder;
  if (size == 0) return 0;
  constexpr std::array<const char*, 3> kNames = {"x.npy", "x.npz", "x.safetensors"};
  const std::string name = kNames[data[0] % kNames.size()];
  folder.put(name, fuzz::text(data + 1, size - 1));
  // Beside x.npy these are its labels.
  folder.put("x_labels.npy", fuzz::text(data + 1, size - 1));
  data::DataConfig config(data::Formats{data::array_format()});
  config.source = folder.path() / name;
  config.cache.ram = 1 << 20;
  fuzz::refused_or_read(ExitCode::data, [&] {
    const std::string split = data::has_array_splits(config.source) ? "train" : "";
    for (const char* const field : {"image", "label"})
      fuzz::refused_or_read(ExitCode::data, [&] { fuzz::read_samples(config, {split, {field}}); });
  });
  fuzz::refused_or_read(ExitCode::data, [&] { (void)data::inspect_arrays(folder.path() / name); });
  return 0;
}

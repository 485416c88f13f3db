// SPDX-License-Identifier: Apache-2.0
#include "data/open.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "data/format.h"
#include "data/labels.h"
#include "memory/buffer.h"

namespace ebb::data {
namespace {

Block allocate_in_ledger(std::size_t bytes, const char* purpose) {
  const auto buffer = std::make_shared<memory::Buffer>(bytes, memory::Class::data, purpose);
  return {buffer->bytes(), buffer};
}

}  // namespace

std::unique_ptr<Dataset> open(const DataConfig& config, const std::string& split,
                              const std::vector<std::string>& fields, std::int64_t vocabulary,
                              std::optional<std::int64_t> classes) {
  const Format& format = config.entry();
  for (const std::string& field : fields)
    if (!format.provides(field))
      throw Error(ExitCode::usage, fmt::format("data.format={} provides no {}: set data.format to one of: {}",
                                               format.name, field, formats_providing(config.formats, field)));
  auto dataset = format.open(config, {split, fields, vocabulary, classes, allocate_in_ledger});
  bool asked = dataset->spec().fields.size() == fields.size();
  for (std::size_t i = 0; asked && i < fields.size(); ++i)
    asked = dataset->spec().fields[i].name == fields[i];
  if (!asked)
    throw Error(ExitCode::internal,
                fmt::format("data.format={} opened other fields than the requested ones", format.name));
  if (!classes || dataset->spec().find(core::kLabelField) == nullptr) return dataset;
  return with_checked_labels(std::move(dataset), *classes,
                             (std::filesystem::path(config.source) / split).string());
}

}  // namespace ebb::data

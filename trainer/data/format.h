// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"
#include "core/sample.h"
#include "data/dataset.h"
#include "data/progress.h"

// What a dataset may be written as. Nothing here needs the framework.
namespace ebb::data {

struct DataConfig;

// Which samples are read of a dataset.
struct SplitRequest {
  std::string split;                // "train" or "test"
  std::vector<std::string> fields;  // what the dataset brings, in this order; each one of Format::fields
  std::int64_t vocabulary = 0;      // token ids at or beyond it are refused; 0: all int32 are taken
  BlockAllocator allocate = allocate_on_heap;
};

// One format. A member that may be null says what null means.
struct Format {
  std::string name;                 // the word of data.format
  std::string doc;                  // text that follows "NAME: " in the documentation; no full stop
  std::vector<std::string> fields;  // fields that its datasets may have; a dataset may lack some

  // Adds the keys of section `data` that only this format uses. Formats may share keys by using the same
  // function. Other formats refuse these keys. Null: the format has no keys of its own.
  void (*describe_keys)(config::Section& section, DataConfig& config) = nullptr;
  // What a sample is, in the plural: "samples", "windows of 256 tokens".
  std::function<std::string(const DataConfig&)> unit;
  // The fields and shapes of a sample, if the configuration decides them. Null: only a dataset tells them.
  std::function<core::SampleSpec(const DataConfig&)> spec;
  // Opens one split of data.source. Error(data) where it is damaged or lacks a requested field.
  std::function<std::unique_ptr<Dataset>(const DataConfig&, const SplitRequest&)> open;

  // For `ebb data inspect` and `verify`, which know a path alone. Null: no path can be known to have this
  // format.
  std::function<bool(const std::filesystem::path&)> recognizes;
  std::function<std::string(const std::filesystem::path&)> inspect;  // text for a person; Error(data)
  // Reads all of it. A summary of one line; Error(data) for the first fault. Null: it carries nothing to
  // check.
  std::function<std::string(const std::filesystem::path&, const Progress&)> verify;

  [[nodiscard]] bool brings(std::string_view field) const;
};

// The first is the default of data.format.
using Formats = std::vector<Format>;

// The formats of ebb: an immutable table, made at the first call. This is the registry: a format is a folder
// or file here, and a line in this function.
const Formats& builtin_formats();

// Error(usage) names the formats that are there.
const Format& find_format(const Formats& formats, std::string_view name);
// Names of the formats whose datasets can bring the field: "tokens, raw_u16".
std::string formats_that_bring(const Formats& formats, std::string_view field);

// Of the first format that recognizes the path. Error(data) where none does.
std::string inspect(const Formats& formats, const std::filesystem::path& path);
// Also Error(data) where the format has nothing to verify.
std::string verify(const Formats& formats, const std::filesystem::path& path, const Progress& progress);

}  // namespace ebb::data

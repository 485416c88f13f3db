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
#include "data/packer.h"
#include "data/progress.h"

// The formats of datasets. Nothing here needs LibTorch.
namespace ebb::data {

struct DataConfig;

// The samples to read from a dataset.
struct SplitRequest {
  std::string split;                // "train" or "test"
  std::vector<std::string> fields;  // fields to provide, in this order; each is in Format::fields
  std::int64_t vocabulary = 0;      // token ids at or beyond it are refused; 0: any int32 is valid
  // Labels outside of [0, classes) are refused at once where that is cheap; empty: any label is valid. Each
  // read checks its own label (data/open.h).
  std::optional<std::int64_t> classes = {};
  BlockAllocator allocate = allocate_on_heap;
};

// The texts about a format in help and documentation. Phrases without a full stop.
struct FormatTexts {
  std::string source;  // the contents of data.source: "one subfolder per split, train and test"
  std::string path;    // a path that Format::recognizes accepts: "a folder with an index.json"; empty: none
};

// A split that a source has.
struct SourceSplit {
  std::string name;                 // of SplitRequest; empty: the source is not divided into splits
  std::vector<std::string> fields;  // that its samples have, in this order
};

// One format. The comment of a member that may be null explains null.
struct Format {
  std::string name;                 // the word of data.format
  std::string doc;                  // text that follows "NAME: " in the documentation; no full stop
  std::vector<std::string> fields;  // fields that its datasets may have; a dataset may lack some
  FormatTexts texts;

  // Adds the keys of section `data` that only this format uses. Formats may share keys by using the same
  // function. Other formats refuse these keys. Null: the format has no keys of its own.
  void (*describe_keys)(config::Section& section, DataConfig& config) = nullptr;
  // The name of its samples, in the plural: "samples", "windows of 256 tokens".
  std::function<std::string(const DataConfig&)> sample_noun;
  // The fields and shapes of a sample, if the configuration determines them. Null: only a dataset has them.
  std::function<core::SampleSpec(const DataConfig&)> spec;
  // Opens one split of data.source. Error(data) if it is damaged or lacks a requested field.
  std::function<std::unique_ptr<Dataset>(const DataConfig&, const SplitRequest&)> open;

  // Whether the path is one of this format: a dataset, as data.source names it, or one of its splits or
  // files. For `data.format: auto`, and for commands that get only a path. Looks at names and at the first
  // bytes of files. Null: a path never identifies this format.
  std::function<bool(const std::filesystem::path&)> recognizes;
  std::function<std::string(const std::filesystem::path&)> inspect;  // text for a person; Error(data)
  // Reads the whole dataset and returns a summary of one line. Error(data) for the first fault. Null: the
  // format has nothing to check.
  std::function<std::string(const std::filesystem::path&, const Progress&)> verify;

  // For `ebb data pack`, which reads the source by open(): the splits of data.source. Error(data) if it has
  // none. Null: datasets of this format are not packed into another one.
  std::function<std::vector<SourceSplit>(const DataConfig&)> splits;
  // Files outside of data.source that its samples depend on. Null: there are none.
  std::function<std::vector<std::filesystem::path>(const DataConfig&)> beside;

  std::optional<Packer> packer;  // for `ebb data pack`; empty: ebb makes no datasets of this format

  [[nodiscard]] bool provides(std::string_view field) const;
};

// The first is the default of data.format.
using Formats = std::vector<Format>;
// The word of data.format for the first format that recognizes data.source.
inline constexpr const char* kAutoFormat = "auto";

// The formats of ebb. This is the registry: a format is a folder here, and an entry of this function's list.
Formats builtin_formats();

std::string format_names(const Formats& formats);  // "mds, tokens"
// Error(usage) lists the existing formats.
const Format& find_format(const Formats& formats, std::string_view name);
// Names of the formats whose datasets can provide the field: "tokens, raw_u16".
std::string formats_providing(const Formats& formats, std::string_view field);

// The first format that recognizes the path; null if none does. The result belongs to `formats`.
const Format* recognize(const Formats& formats, const std::filesystem::path& path);
// The paths that formats recognize, for messages: "a folder with an index.json, or a token file".
std::string recognized_paths(const Formats& formats);

// Calls the first format that recognizes the path. Error(data) if none does.
std::string inspect(const Formats& formats, const std::filesystem::path& path);
// Also throws Error(data) if the format has nothing to verify.
std::string verify(const Formats& formats, const std::filesystem::path& path, const Progress& progress);

// The first packer that accepts the request, else the first whose `accepts` is null. Error(usage) if there
// is none. The result belongs to `formats`.
const Packer& find_packer(const Formats& formats, const PackRequest& request);

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "data/mds/pack_dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "data/dataset.h"

namespace ebb::data {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

// The name of numpy's dtype; empty: there is none.
std::string dtype_of(core::ElementType type) {
  switch (type) {
    case core::ElementType::u8:
      return "uint8";
    case core::ElementType::i32:
      return "int32";
    case core::ElementType::i64:
      return "int64";
    case core::ElementType::f16:
      return "float16";
    case core::ElementType::f32:
      return "float32";
    case core::ElementType::bf16:
      break;
  }
  return "";
}

MdsColumn column_of(const core::FieldSpec& field, const std::string& source) {
  const std::string dtype = dtype_of(field.type);
  if (dtype.empty())
    throw Error(ExitCode::data, fmt::format("{}: the field {} has the type {}, which MDS does not have",
                                            source, field.name, core::name(field.type)));
  if (field.dims.empty()) return {field.name, field.type == core::ElementType::i64 ? "int" : dtype, {}};
  return {field.name, fmt::format("ndarray:{}:{}", dtype, fmt::join(field.dims, ",")), {}};
}

json recipe_of(const DataConfig& config, const json& source, const std::string& split,
               const MdsWriterOptions& options) {
  json recipe{{"version", 1},
              {"source", source},
              {"format", config.format},
              {"split", split},
              {"test_share", config.test_share},
              {"size", config.pictures.size.value_or(0)},
              {"crop", config.pictures.crop},
              {"channels", config.pictures.channels},
              {"shard_bytes", options.shard_bytes},
              {"compression", options.compression}};
  // Only if it is given, so that complete outputs of older versions stay complete.
  if (config.layout != ArrayLayout::automatic)
    recipe["channels_last"] = config.layout == ArrayLayout::channels_last;
  return recipe;
}

// An output within the source would be part of the next reading of it.
void refuse_output_within(const fs::path& source, const fs::path& out) {
  std::error_code error;
  if (!fs::is_directory(source, error)) return;
  const fs::path inner = fs::weakly_canonical(out, error), outer = fs::canonical(source, error);
  if (error || std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first != outer.end())
    return;
  throw Error(ExitCode::usage, fmt::format("data pack: the output {} lies in the input {}: choose a folder "
                                           "beside it",
                                           out.string(), source.string()));
}

// Writes all samples. `done`: those of earlier splits, of `all`.
void write_dataset(Dataset& dataset, MdsWriter& writer, std::int64_t done, std::int64_t all,
                   const Progress& progress) {
  constexpr std::int64_t kProgressEvery = 50;  // a picture may take some milliseconds
  std::vector<std::vector<std::byte>> values;
  std::vector<std::span<std::byte>> spans;
  for (const core::FieldSpec& field : dataset.spec().fields)
    spans.emplace_back(values.emplace_back(static_cast<std::size_t>(field.bytes())));
  std::vector<std::span<const std::byte>> sorted;
  for (const MdsColumn& column : writer.columns()) {
    const auto& fields = dataset.spec().fields;
    const auto found = std::ranges::find(fields, column.name, &core::FieldSpec::name);
    sorted.emplace_back(spans[static_cast<std::size_t>(found - fields.begin())]);
  }
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    if (progress && i % kProgressEvery == 0) progress(done + i, all);
    dataset.read(i, spans);
    writer.write(sorted);
  }
  writer.finish();
}

}  // namespace

std::vector<PackedSplit> pack_dataset(const DataConfig& config, const fs::path& out,
                                      const MdsWriterOptions& options, const Progress& progress) {
  const Format& format = config.entry();
  refuse_output_within(config.source, out);
  struct Opened {
    SourceSplit split;
    std::unique_ptr<Dataset> dataset;
  };
  std::vector<Opened> opened;
  std::int64_t all = 0;
  for (const SourceSplit& split : format.splits(config)) {
    opened.push_back({split, format.open(config, {split.name, split.fields})});
    all += opened.back().dataset->size();
    const core::SampleSpec &first = opened.front().dataset->spec(), &spec = opened.back().dataset->spec();
    for (const core::FieldSpec& field : first.fields)
      if (const auto* other = spec.find(field.name); other != nullptr && other->dims != field.dims)
        throw Error(ExitCode::data,
                    fmt::format("the splits of {} have different samples: {} is [{}] in {}, but [{}] in {}. "
                                "Pictures get one size by --size",
                                config.source, field.name, fmt::join(field.dims, ", "),
                                opened.front().split.name, fmt::join(other->dims, ", "), split.name));
  }
  json source = fingerprint(config.source);
  if (format.beside)
    for (const fs::path& file : format.beside(config)) source["beside"].push_back(fingerprint(file));
  std::vector<PackedSplit> packed;
  std::int64_t done = 0;
  for (const Opened& one : opened) {
    Dataset& dataset = *one.dataset;
    std::vector<MdsColumn> columns;
    for (const core::FieldSpec& field : dataset.spec().fields)
      columns.push_back(column_of(field, config.source));
    const fs::path folder = pack_folder(one.split.name.empty() ? out : out / one.split.name);
    const auto write = [&](MdsWriter& writer) { write_dataset(dataset, writer, done, all, progress); };
    const PackResult result =
        pack_split(folder, recipe_of(config, source, one.split.name, options), columns, options, write);
    packed.push_back({one.split.name, folder, dataset.spec(), result});
    done += dataset.size();
  }
  if (progress) progress(all, all);
  return packed;
}

}  // namespace ebb::data

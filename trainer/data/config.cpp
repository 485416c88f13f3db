// SPDX-License-Identifier: Apache-2.0
#include "data/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/error.h"

namespace ebb::data {
namespace {

// Formats with the same function share its keys.
void describe_format_keys(config::Section& s, DataConfig& config) {
  for (auto entry = config.formats.begin(); entry != config.formats.end(); ++entry) {
    const auto describe = entry->describe_keys;
    const auto shares = [describe](const Format& other) { return other.describe_keys == describe; };
    if (describe == nullptr || std::any_of(config.formats.begin(), entry, shares)) continue;
    std::string words;
    for (const Format& other : config.formats)
      if (shares(other)) words += (words.empty() ? "data.format is " : " or ") + other.name;
    s.only_where(
        words, [&config, shares] { return shares(config.entry()); },
        [&config, describe](config::Section& keys) { describe(keys, config); });
  }
}

// "mds: one subfolder per split. tokens or raw_u16: train.bin and test.bin.", of formats with the same text
// once.
std::string source_doc(const Formats& formats) {
  std::vector<std::string> seen;
  std::string doc, packed;
  for (const Format& format : formats) {
    const std::string& text = format.texts.source;
    if (format.packer) packed += (packed.empty() ? "" : " and ") + format.name;
    if (text.empty() || std::ranges::find(seen, text) != seen.end()) continue;
    seen.push_back(text);
    std::string names;
    for (const Format& other : formats)
      if (other.texts.source == text) names += (names.empty() ? "" : " or ") + other.name;
    doc += fmt::format(" {}: {}.", names, text);
  }
  return doc + (packed.empty() ? "" : fmt::format(" `ebb data pack` makes {}.", packed));
}

}  // namespace

void CacheConfig::describe(config::Section& s) {
  s.bytes("ram", ram)
      .at_least(0)
      .doc(
          "Memory for unpacked shards of a compressed dataset, allocated at the start; at least one shard "
          "is always kept. If larger than the dataset, each shard is unpacked once; if much smaller, a "
          "shuffled run unpacks shards again and again.")
      .free_to_change();
}

const Format& DataConfig::entry() const {
  if (format != kAutoFormat) return find_format(formats, format);
  if (const Format* found = recognize(formats, source)) return *found;
  std::error_code ignored;
  const bool exists = std::filesystem::exists(source, ignored);
  throw Error(ExitCode::usage,
              fmt::format("data.format is {}, and data.source, {}, {}: set data.format to one of {}{}",
                          kAutoFormat, source.empty() ? "which is empty" : source,
                          exists ? fmt::format("is not {}", recognized_paths(formats)) : "does not exist",
                          format_names(formats), exists ? "" : ", or data.source to the dataset"));
}

void DataConfig::describe(config::Section& s) {
  s.text("source", source)
      .required()
      .doc("Folder of the dataset." + source_doc(formats) +
           " A resumed run may find it elsewhere, with the same contents.")
      .free_to_change();
  std::vector<std::string> names;
  std::string doc = fmt::format(
      "The format of the dataset. {}: the one that data.source has, by its names of files; saved by its "
      "name.",
      kAutoFormat);
  for (const Format& entry : formats) {
    names.push_back(entry.name);
    doc += fmt::format(" {}: {}.", entry.name, entry.doc);
  }
  names.emplace_back(kAutoFormat);
  s.choice("format", format, names).doc(doc);
  describe_format_keys(s, *this);
  s.integer("batch", batch)
      .at_least(1)
      .unit("samples")
      .doc(
          "Global batch: samples of one update, over all ranks and micro-batches. A multiple of "
          "ranks x micro_batches. The number of ranks changes neither the mathematics nor the order.");
  s.integer_or_auto("micro_batches", micro_batches)
      .at_least(1)
      .at_most(kMostMicroBatches)
      .doc(
          "Parts of a step's batch, computed one after another; more parts need less memory. auto: the "
          "fewest that fit, by the plan of a run on CPUs; a resumed run keeps them.");
  s.flag("shuffle", shuffle)
      .doc("Draw the samples of each epoch in a new order; false reads them as stored.");
  s.integer("prefetch", prefetch)
      .at_least(1)
      .at_most(1024)
      .unit("micro-batches")
      .doc("Micro-batches that a background thread reads ahead. Each takes memory on every rank.")
      .free_to_change();
  s.section("cache", cache, "Memory for the dataset, beside the micro-batches read ahead.");
}

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "base/units.h"
#include "data/pictures/sample.h"
#include "data/tar/reader.h"
#include "data/webdataset/dali_index.h"
#include "data/webdataset/fields.h"
#include "data/webdataset/samples.h"
#include "data/webdataset/shards.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kShownClasses = 20;

// "train" and "test", or "" for a source without splits.
std::vector<std::string> split_names(const fs::path& source) {
  if (shard_splits(source) == ShardSplits::none) return {""};
  return {"train", "test"};
}

bool has_dali_index(const fs::path& shard) {
  std::error_code ignored;
  return fs::exists(dali_index_path(shard), ignored);
}

// What the samples of a split have in common.
struct Survey {
  struct Suffix {
    std::int64_t count = 0, bytes = 0;
  };
  std::int64_t samples = 0, bytes = 0;
  std::map<std::string, Suffix> suffixes;
  std::optional<std::string> label;  // its suffix, as the first sample has it
  std::map<std::int64_t, std::int64_t> classes;
  std::map<std::string, std::int64_t> skipped;
};

using UseSample = std::function<void(const ReadFile&, const TarSample&)>;

// Also calls `use` for each sample of the shard.
void add_shard(Survey& survey, const fs::path& shard, const UseSample& use) {
  for_each_sample(
      shard, ShardIndexing::headers,
      [&](const ReadFile& file, const TarSample& sample) {
        ++survey.samples;
        for (const SamplePart& part : sample.parts) {
          Survey::Suffix& suffix = survey.suffixes[part.suffix];
          ++suffix.count;
          suffix.bytes += part.size;
        }
        if (!survey.label) survey.label = label_suffix(sample);
        if (!survey.label->empty()) ++survey.classes[read_label(file, sample, *survey.label, shard)];
        use(file, sample);
      },
      &survey.skipped);
  survey.bytes += static_cast<std::int64_t>(fs::file_size(shard));
}

std::string use_of(const std::string& suffix, const Survey& survey) {
  if (std::ranges::find(kImageSuffixes, suffix) != kImageSuffixes.end()) return "image";
  if (!suffix.empty() && suffix == survey.label) return "label";
  return is_pickle(suffix) ? "a pickle, never opened" : "not read";
}

std::string classes_text(const Survey& survey) {
  if (survey.classes.empty()) return "classes      none\n";
  std::string text = fmt::format("classes      {} (label, samples)\n", survey.classes.size());
  for (std::size_t shown = 0; const auto& [label, count] : survey.classes) {
    if (shown++ == kShownClasses) {
      text += fmt::format("  and {} more, up to label {}\n", survey.classes.size() - kShownClasses,
                          survey.classes.rbegin()->first);
      break;
    }
    text += fmt::format("  {:<10} {}\n", label, count);
  }
  return text;
}

std::vector<std::pair<std::string, std::int64_t>> offsets_of(const fs::path& shard, ShardIndexing indexing) {
  std::vector<std::pair<std::string, std::int64_t>> offsets;
  for_each_sample(shard, indexing, [&offsets](const ReadFile&, const TarSample& sample) {
    for (const SamplePart& part : sample.parts)
      offsets.emplace_back(fmt::format("{}.{} of {} bytes", sample.key, part.suffix, part.size), part.offset);
  });
  return offsets;
}

void check_dali_index(const fs::path& shard) {
  if (!has_dali_index(shard)) return;
  const auto index = offsets_of(shard, ShardIndexing::dali_or_headers);
  const auto headers = offsets_of(shard, ShardIndexing::headers);
  const auto [other, header] = std::ranges::mismatch(index, headers);
  if (other == index.end() && header == headers.end()) return;
  const auto shown = [](const auto& at, const auto& all) {
    return at == all.end() ? "nothing more" : fmt::format("{} at byte {}", printable(at->first), at->second);
  };
  throw Error(
      ExitCode::data,
      fmt::format("{} does not fit {}: it has {}, the archive {}; make it again by wds2idx, or remove it",
                  dali_index_path(shard).string(), shard.string(), shown(other, index),
                  shown(header, headers)));
}

}  // namespace

std::string inspect_webdataset(const fs::path& source) {
  std::string text;
  for (const std::string& split : split_names(source)) {
    const std::vector<fs::path> shards = shards_of(source, split);
    Survey survey;
    for (const fs::path& shard : shards) add_shard(survey, shard, [](const ReadFile&, const TarSample&) {});
    const auto indexed = std::ranges::count_if(shards, has_dali_index);
    text +=
        fmt::format("{}{}{}\n", text.empty() ? "" : "\n", source.string(), split.empty() ? "" : ": " + split);
    text += fmt::format("format       webdataset\nsamples      {}\n", survey.samples);
    text += fmt::format("shards       {}, {}, {}\n", shards.size(), format_bytes(survey.bytes),
                        shards.size() == 1 ? shards.front().filename().string()
                                           : fmt::format("{} to {}", shards.front().filename().string(),
                                                         shards.back().filename().string()));
    if (indexed > 0) text += fmt::format("indexes      {} of DALI\n", indexed);
    text += "suffixes     (suffix, files, bytes on average, use)\n";
    for (const auto& [suffix, seen] : survey.suffixes)
      text += fmt::format("  {:<10} {}  {}  {}\n", printable(suffix), seen.count, seen.bytes / seen.count,
                          use_of(suffix, survey));
    text += classes_text(survey);
    for (const char* title = "skipped"; const auto& [reason, count] : survey.skipped) {
      text += fmt::format("{:<12} {} {}\n", title, count, reason);
      title = "";
    }
  }
  return text;
}

std::string verify_webdataset(const fs::path& source, const Progress& progress) {
  std::vector<std::vector<fs::path>> splits;
  std::int64_t all = 0, done = 0, bytes = 0;
  for (const std::string& split : split_names(source)) {
    splits.push_back(shards_of(source, split));
    all += std::ssize(splits.back());
  }
  PictureFaults faults;
  for (const std::vector<fs::path>& shards : splits) {
    Survey survey;
    for (const fs::path& shard : shards) {
      if (progress) progress(done++, all);
      check_dali_index(shard);
      add_shard(survey, shard, [&](const ReadFile& file, const TarSample& sample) {
        const SamplePart& image = image_part(sample, shard);
        faults.check([&] {
          std::vector<std::byte> buffer;
          (void)decode_picture(read_tar_member(file, shard, image.offset, image.size, buffer), 3,
                               fmt::format("{}: {}.{}", shard.string(), printable(sample.key), image.suffix));
        });
      });
    }
    bytes += survey.bytes;
  }
  if (progress) progress(all, all);
  faults.require_none(source.string(), "image", "");
  return fmt::format("{} is intact: {} samples in {} shard{}, {}", source.string(), faults.checked(), all,
                     all == 1 ? "" : "s", format_bytes(bytes));
}

}  // namespace ebb::data

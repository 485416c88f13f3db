// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/samples.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>
#include <system_error>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "base/printable.h"
#include "data/tar/reader.h"
#include "data/webdataset/dali_index.h"
#include "data/webdataset/names.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

using Skipped = std::map<std::string, std::int64_t>;
using UseSample = std::function<void(const ReadFile&, const TarSample&)>;

// Joins the members that follow each other to samples.
class Grouping {
 public:
  Grouping(const fs::path& shard, const ReadFile& file, const UseSample& use, Skipped* skipped)
      : shard_(shard), file_(file), use_(use), skipped_(skipped) {}

  void add(const TarMember& member) {
    std::string_view reason;
    auto name = part_name(member, reason);
    if (!name) {
      if (skipped_ != nullptr) ++(*skipped_)[std::string(reason)];
      return;
    }
    if (name->key != sample_.key) end_sample();
    sample_.key = std::move(name->key);
    if (sample_.find(name->suffix) != nullptr)
      throw Error(
          ExitCode::data,
          fmt::format("{}: the sample {} has the suffix {} twice, the second time at byte {}; make the "
                      "archive again with one file of each suffix",
                      shard_.string(), printable(sample_.key), printable(name->suffix), member.offset));
    sample_.parts.push_back({std::move(name->suffix), member.offset, member.size});
  }

  void end_sample() {
    if (!sample_.parts.empty()) use_(file_, sample_);
    sample_ = {};
  }

 private:
  const fs::path& shard_;
  const ReadFile& file_;
  const UseSample& use_;
  Skipped* skipped_;
  TarSample sample_;
};

void walk_samples(const fs::path& shard, bool by_dali, const UseSample& use, Skipped* skipped) {
  if (by_dali) {
    const ReadFile file(shard, ExitCode::data);
    Grouping grouping(shard, file, use, skipped);
    for_each_indexed_member(shard, file, [&grouping](const TarMember& member) { grouping.add(member); });
    grouping.end_sample();
    return;
  }
  TarReader reader(shard);
  Grouping grouping(shard, reader.file(), use, skipped);
  while (const auto member = reader.next()) grouping.add(*member);
  grouping.end_sample();
}

std::uint64_t key_digest(const std::string& key) {
  return digest64(std::as_bytes(std::span(key)));
}

}  // namespace

const SamplePart* TarSample::find(std::string_view suffix) const {
  const auto found = std::ranges::find(parts, suffix, &SamplePart::suffix);
  return found == parts.end() ? nullptr : &*found;
}

std::string TarSample::suffixes() const {
  std::string text;
  for (const SamplePart& part : parts) text += (text.empty() ? "" : ", ") + printable(part.suffix);
  return text;
}

void for_each_sample(const fs::path& shard, ShardIndexing indexing, const UseSample& use, Skipped* skipped) {
  std::error_code ignored;
  const bool by_dali =
      indexing == ShardIndexing::dali_or_headers && fs::exists(dali_index_path(shard), ignored);
  std::vector<std::uint64_t> keys;
  walk_samples(
      shard, by_dali,
      [&](const ReadFile& file, const TarSample& sample) {
        keys.push_back(key_digest(sample.key));
        use(file, sample);
      },
      skipped);
  std::ranges::sort(keys);
  std::vector<std::uint64_t> twice;
  for (std::size_t i = 1; i < keys.size(); ++i)
    if (keys[i] == keys[i - 1]) twice.push_back(keys[i]);
  if (twice.empty()) return;
  // Two keys may have one digest.
  std::set<std::string> seen;
  walk_samples(
      shard, by_dali,
      [&](const ReadFile&, const TarSample& sample) {
        if (!std::ranges::binary_search(twice, key_digest(sample.key)) || seen.insert(sample.key).second)
          return;
        throw Error(
            ExitCode::data,
            fmt::format("{}: the sample {} comes back at byte {}, after other samples, so its parts do "
                        "not follow each other; make the archive again from sorted names (`tar "
                        "--sort=name`)",
                        shard.string(), printable(sample.key), sample.parts.front().offset));
      },
      nullptr);
}

std::optional<TarSample> first_sample(const fs::path& shard) {
  std::optional<TarSample> first;
  const UseSample use = [&first](const ReadFile&, const TarSample& sample) { first = sample; };
  TarReader reader(shard);
  Grouping grouping(shard, reader.file(), use, nullptr);
  while (!first) {
    const auto member = reader.next();
    if (!member) {
      grouping.end_sample();
      break;
    }
    grouping.add(*member);
  }
  return first;
}

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace ebb::data {

struct SamplePart {
  std::string suffix;       // as of PartName
  std::int64_t offset = 0;  // of its contents in the shard
  std::int64_t size = 0;    // bytes
};

// Members of a shard with one key that follow each other.
struct TarSample {
  std::string key;
  std::vector<SamplePart> parts;

  [[nodiscard]] const SamplePart* find(std::string_view suffix) const;  // null: there is none
  [[nodiscard]] std::string suffixes() const;                           // "cls, jpg", for messages
};

// Where for_each_sample() takes names and offsets from.
enum class ShardIndexing : std::uint8_t {
  dali_or_headers,  // the index of DALI beside the shard, if there is one
  headers,
};

// Calls `use` for each sample of the shard, in its order. Counts the members that belong to no sample, by
// reason (names.h), in `skipped` if it is not null; an index of DALI leaves some out. Error(data) for a
// damaged archive or index, for a suffix twice in a sample, and for a key that comes back after other ones:
// parts of such a sample would be lost. Takes 8 bytes for each sample of the shard, until it returns.
void for_each_sample(const std::filesystem::path& shard, ShardIndexing indexing,
                     const std::function<void(const ReadFile&, const TarSample&)>& use,
                     std::map<std::string, std::int64_t>* skipped = nullptr);

// The first sample of the shard; empty if it has none. Reads no further. Error(data) for a damaged header.
std::optional<TarSample> first_sample(const std::filesystem::path& shard);

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>

#include "base/file.h"
#include "data/tar/reader.h"

namespace ebb::data {

// The index of a shard that DALI's wds2idx makes: SHARD.idx beside SHARD.tar.
std::filesystem::path dali_index_path(const std::filesystem::path& shard);

// Calls `use` for each member that the index of the shard names, in its order. Error(data) names index, line
// and fault: another version, another number of samples than the first line has, a malformed line, a suffix
// that is not that of the name, offsets that are no multiples of 512 or not ascending, contents beyond the
// end of `shard`, and members behind the last one of the index. That a header precedes each offset is checked
// when the member is read.
void for_each_indexed_member(const std::filesystem::path& shard, const ReadFile& file,
                             const std::function<void(const TarMember&)>& use);

}  // namespace ebb::data

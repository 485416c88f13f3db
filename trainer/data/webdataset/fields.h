// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "data/webdataset/samples.h"

// The parts of a sample that are fields. A suffix counts only as a whole: seg.png is no image.
namespace ebb::data {

inline constexpr std::array<std::string_view, 5> kImageSuffixes{"jpg", "jpeg", "png", "webp", "bmp"};
// In this order, the first one that a sample has is its label.
inline constexpr std::array<std::string_view, 5> kLabelSuffixes{"cls", "cls2", "index", "inx", "id"};

// The image of the sample. Error(data) names the sample if it has none, several, or one above 256 MiB.
const SamplePart& image_part(const TarSample& sample, const std::filesystem::path& shard);

// The label's suffix, the first of kLabelSuffixes that the sample has; empty: it has none.
std::string_view label_suffix(const TarSample& sample);
// The label of the sample: an integer of ASCII digits, with a sign or not, between spaces and line ends or
// not. Error(data) names sample and suffix if there is no such part, or something else in it.
std::int64_t read_label(const ReadFile& file, const TarSample& sample, std::string_view suffix,
                        const std::filesystem::path& shard);

// Whether the part is a pickle, which can run any program. ebb opens none.
bool is_pickle(std::string_view suffix);

// "SHARD: the sample KEY", for messages.
std::string sample_name(const TarSample& sample, const std::filesystem::path& shard);

}  // namespace ebb::data

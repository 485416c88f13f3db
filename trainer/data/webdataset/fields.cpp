// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "base/units.h"
#include "data/pictures/sample.h"
#include "data/tar/reader.h"

namespace ebb::data {
namespace {

constexpr std::int64_t kLongestLabel = 64;

template <class Suffixes>
std::string one_of(const Suffixes& suffixes) {
  std::string text;
  for (const std::string_view suffix : suffixes)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", suffix);
  return text;
}

std::string pickle_note(const TarSample& sample) {
  const bool any = std::ranges::any_of(sample.parts, [](const auto& part) { return is_pickle(part.suffix); });
  return any ? " (pickles are never opened: they can run any program)" : "";
}

}  // namespace

std::string sample_name(const TarSample& sample, const std::filesystem::path& shard) {
  return fmt::format("{}: the sample {}", shard.string(), printable(sample.key));
}

bool is_pickle(std::string_view suffix) {
  const std::string_view last = suffix.substr(suffix.rfind('.') + 1);
  constexpr std::array<std::string_view, 4> kPickles{"pyd", "pkl", "pickle", "pth"};
  return std::ranges::find(kPickles, last) != kPickles.end();
}

const SamplePart& image_part(const TarSample& sample, const std::filesystem::path& shard) {
  const SamplePart* image = nullptr;
  for (const SamplePart& part : sample.parts) {
    if (std::ranges::find(kImageSuffixes, part.suffix) == kImageSuffixes.end()) continue;
    if (image != nullptr)
      throw Error(ExitCode::data, fmt::format("{} has two images, {} and {}: leave one",
                                              sample_name(sample, shard), image->suffix, part.suffix));
    image = &part;
  }
  if (image == nullptr)
    throw Error(ExitCode::data,
                fmt::format("{} has no image, one of {}; it has {}{}", sample_name(sample, shard),
                            one_of(kImageSuffixes), sample.suffixes(), pickle_note(sample)));
  if (image->size > kLargestPictureFile)
    throw Error(ExitCode::data, fmt::format("{} has an image of {}, and images of at most {} are read",
                                            sample_name(sample, shard), format_bytes(image->size),
                                            format_bytes(kLargestPictureFile)));
  return *image;
}

std::string_view label_suffix(const TarSample& sample) {
  for (const std::string_view suffix : kLabelSuffixes)
    if (sample.find(suffix) != nullptr) return suffix;
  return "";
}

std::int64_t read_label(const ReadFile& file, const TarSample& sample, std::string_view suffix,
                        const std::filesystem::path& shard) {
  const SamplePart* part = sample.find(suffix);
  if (part == nullptr)
    throw Error(ExitCode::data,
                fmt::format("{} has no label, {}; it has {}{}", sample_name(sample, shard),
                            suffix.empty() ? "one of " + one_of(kLabelSuffixes)
                                           : fmt::format("the part {} that the first sample has", suffix),
                            sample.suffixes(), pickle_note(sample)));
  if (part->size > kLongestLabel)
    throw Error(ExitCode::data, fmt::format("{} has {} of {} bytes, which is no label, an integer in ASCII",
                                            sample_name(sample, shard), suffix, part->size));
  std::vector<std::byte> buffer;
  const auto bytes = read_tar_member(file, shard, part->offset, part->size, buffer);
  const std::string_view whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view kSpace = " \t\r\n";
  std::string_view text = whole;
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(kSpace) + 1));
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  std::int64_t label = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (fault != std::errc{} || end != text.data() + text.size())
    throw Error(ExitCode::data, fmt::format("{} has '{}' as {}, which is no label, an integer in ASCII",
                                            sample_name(sample, shard), printable(whole), suffix));
  return label;
}

}  // namespace ebb::data

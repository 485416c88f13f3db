// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/sample.h"
#include "data/config.h"
#include "data/pictures/picture.h"

// What the datasets of pictures share, wherever the files of the pictures lie.
namespace ebb::data {

inline constexpr std::int64_t kLargestPictureFile = std::int64_t{256} << 20;  // bytes
// Error(data): the encoded picture `name` has `bytes`, and at most `most` are read.
[[noreturn]] void refuse_large_picture(std::int64_t bytes, const std::string& name,
                                       std::int64_t most = kLargestPictureFile);

// The image of a sample: [channels, size, size] as the settings say. Without a size it is that of the first
// picture, whose header `first` reads.
core::FieldSpec picture_field(const PictureConfig& settings, const std::function<PictureInfo()>& first);

// Decodes a file, fits the picture to the settings, and writes it into `out` as [C, H, W]. Error(data) as
// decode_picture(), and for a picture of another size than `field`; `first` names the one that has it.
void read_picture(std::span<const std::byte> file, const std::string& name, const PictureConfig& settings,
                  const core::FieldSpec& field, const std::function<std::string()>& first,
                  std::span<std::byte> out);

// The same for a picture that is decoded already, to the channels of the settings.
void write_picture(Picture decoded, const std::string& name, const PictureConfig& settings,
                   const core::FieldSpec& field, const std::function<std::string()>& first,
                   std::span<std::byte> out);

// Collects the damaged pictures that `ebb data verify` finds.
class PictureFaults {
 public:
  // Calls `decode`, which decodes one picture. An Error(data) of it is a fault; it throws others.
  void check(const std::function<void()>& decode);
  [[nodiscard]] std::int64_t checked() const { return checked_; }
  // Error(data) if there are faults: how many, and the first ten. `noun`: "picture" or "image";
  // `advice`: what to do, to be followed by "it" or "them"; may be empty.
  void require_none(const std::string& source, const std::string& noun, const std::string& advice) const;

 private:
  std::int64_t checked_ = 0, damaged_ = 0;
  std::string shown_;
};

}  // namespace ebb::data

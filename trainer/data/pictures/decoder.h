// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "data/pictures/bytes.h"
#include "data/pictures/picture.h"

// The decoders of the kinds of pictures, for picture.cpp. To all of them `name` is for errors, and they throw
// Error(data).
namespace ebb::data {

struct PictureHeader {
  std::int64_t height = 0, width = 0;  // as stored
  std::int64_t channels = 0;           // of the decoded picture; 2: grey and alpha
  int bits = 8;
  int orientation = 1;  // of EXIF
};

struct DecodedPicture {
  Picture picture;  // as stored
  int orientation = 1;
  std::uint64_t warnings = 0;
};

struct PictureDecoder {
  const char* kind;
  bool (*recognizes)(std::string_view head);
  PictureHeader (*header)(PictureBytes file, const std::string& name);  // checks the size
  DecodedPicture (*decode)(PictureBytes file, const std::string& name);
};

PictureDecoder jpeg_decoder();
PictureDecoder png_decoder();
PictureDecoder webp_decoder();
PictureDecoder bmp_decoder();

// The decoder that recognizes the file. The error says what the file is instead.
PictureDecoder decoder_of(PictureBytes file, const std::string& name);

// "NAME: PROBLEM".
[[noreturn]] void refuse_picture(const std::string& name, const std::string& problem);
[[noreturn]] void refuse_truncated(const char* kind, PictureBytes file, const std::string& name);

// Refuses an empty picture and one above the limits of picture.h.
void check_picture_size(const char* kind, const PictureHeader& header, const std::string& name);
// Refuses a picture whose stored values need more bytes than the file has (after its decompression, if that
// multiplies the bytes by `most_ratio` at most).
void check_picture_fits(const char* kind, const PictureHeader& header, std::int64_t stored_bytes,
                        std::int64_t most_ratio, PictureBytes file, const std::string& name);

// A picture of this header's size, with zeros.
Picture blank_picture(const PictureHeader& header);

}  // namespace ebb::data

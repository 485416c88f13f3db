// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/pictures/decoder.h"
#include "data/pictures/exif.h"
// These use types of <cstdio>, and do not include it.
#include <jerror.h>
#include <jpeglib.h>

namespace ebb::data {
namespace {

using std::string_view_literals::operator""sv;

constexpr int kMostScans = 500;              // each decodes the whole picture; encoders write about ten
constexpr std::int64_t kPixelsPerBit = 128;  // two blocks, of components that are subsampled

// libjpeg reports an error by a function that may not return. It jumps to the member function that called the
// library, which has no objects to destroy.
struct JpegErrors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  std::array<char, JMSG_LENGTH_MAX> text;
  bool ended;  // the file ends before the picture
  std::uint64_t warnings;
};

JpegErrors& errors_of(j_common_ptr info) {
  return *reinterpret_cast<JpegErrors*>(info->err);  // `base` is the first member
}

[[noreturn]] void on_jpeg_error(j_common_ptr info) {
  JpegErrors& errors = errors_of(info);
  info->err->format_message(info, errors.text.data());
  std::longjmp(errors.jump, 1);
}

void on_jpeg_message(j_common_ptr info, int level) {
  if (level >= 0) return;  // a trace
  JpegErrors& errors = errors_of(info);
  ++errors.warnings;
  if (info->err->msg_code != JWRN_JPEG_EOF) return;
  errors.ended = true;
  std::longjmp(errors.jump, 1);
}

void on_jpeg_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  JpegErrors& errors = errors_of(info);
  std::snprintf(errors.text.data(), errors.text.size(), "it has more than %d scans", kMostScans);
  std::longjmp(errors.jump, 1);
}

class JpegReader {
 public:
  JpegReader() {
    std::memset(&info_, 0, sizeof info_);
    std::memset(&errors_, 0, sizeof errors_);
    std::memset(&progress_, 0, sizeof progress_);
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = on_jpeg_error;
    errors_.base.emit_message = on_jpeg_message;
    progress_.progress_monitor = on_jpeg_progress;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  // These return whether it went well.
  bool read_header(const unsigned char* file, unsigned long size) noexcept {
    if (setjmp(errors_.jump) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, file, size);
    jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  bool read_rows(unsigned char* out, std::size_t stride) noexcept {
    if (setjmp(errors_.jump) != 0) return false;
    info_.out_color_space = colours();
    jpeg_start_decompress(&info_);
    std::array<JSAMPROW, 8> rows;
    while (info_.output_scanline < info_.output_height) {
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = out + (info_.output_scanline + i) * stride;
      const JDIMENSION left = info_.output_height - info_.output_scanline;
      jpeg_read_scanlines(&info_, rows.data(), left < rows.size() ? left : JDIMENSION{rows.size()});
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  [[noreturn]] void refuse(PictureBytes file, const std::string& name) const {
    if (errors_.ended) refuse_truncated("JPEG", file, name);
    refuse_picture(name, fmt::format("the JPEG file is damaged or of an unusual kind: {}; save it again, or "
                                     "fetch it again",
                                     errors_.text.data()));
  }

  [[nodiscard]] bool is_cmyk() const { return colours() == JCS_CMYK; }
  [[nodiscard]] int components() const { return info_.num_components; }
  [[nodiscard]] bool has_known_colours() const { return info_.jpeg_color_space != JCS_UNKNOWN; }
  [[nodiscard]] std::uint64_t warnings() const { return errors_.warnings; }

  [[nodiscard]] PictureHeader header() const {
    PictureHeader header{info_.image_height, info_.image_width, colours() == JCS_GRAYSCALE ? 1 : 3, 8, 1};
    for (auto* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const PictureBytes bytes{reinterpret_cast<const std::byte*>(marker->data), marker->data_length};
      if (!text_of(bytes).starts_with("Exif\0\0"sv)) continue;  // XMP is in such a marker too
      header.orientation = exif_orientation(bytes);
      break;
    }
    return header;
  }

 private:
  [[nodiscard]] J_COLOR_SPACE colours() const {
    switch (info_.jpeg_color_space) {
      case JCS_GRAYSCALE:
        return JCS_GRAYSCALE;
      case JCS_CMYK:
      case JCS_YCCK:
        return JCS_CMYK;
      default:
        return JCS_RGB;
    }
  }

  jpeg_decompress_struct info_;
  JpegErrors errors_;
  jpeg_progress_mgr progress_;
};

PictureHeader start_jpeg(JpegReader& reader, PictureBytes file, const std::string& name) {
  if (!reader.read_header(reinterpret_cast<const unsigned char*>(file.data()), file.size()))
    reader.refuse(file, name);
  if (!reader.has_known_colours())
    refuse_picture(name, fmt::format("the JPEG file has {} components of unknown colours; allowed are grey, "
                                     "colour and CMYK: save it as one of these",
                                     reader.components()));
  const PictureHeader header = reader.header();
  check_picture_size("JPEG", header, name);
  check_picture_fits("JPEG", header, header.height * header.width / 8, kPixelsPerBit, file, name);
  return header;
}

// In place. The values are inverted, as Adobe's programs write them.
void make_rgb_of_cmyk(Picture& picture) {
  const auto value = [&](std::size_t i) { return std::to_integer<std::uint32_t>(picture.pixels[i]); };
  const std::size_t pixels = picture.pixels.size() / 4;
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint32_t black = value(4 * i + 3);
    for (std::size_t c = 0; c < 3; ++c)
      picture.pixels[3 * i + c] = static_cast<std::byte>((value(4 * i + c) * black * 2 + 255) / 510);
  }
  picture.pixels.resize(3 * pixels);
  picture.channels = 3;
}

bool is_jpeg(std::string_view head) {
  return head.starts_with("\xff\xd8\xff"sv);
}

PictureHeader jpeg_header(PictureBytes file, const std::string& name) {
  JpegReader reader;
  return start_jpeg(reader, file, name);
}

DecodedPicture decode_jpeg(PictureBytes file, const std::string& name) {
  JpegReader reader;
  PictureHeader header = start_jpeg(reader, file, name);
  if (reader.is_cmyk()) header.channels = 4;
  Picture picture = blank_picture(header);
  if (!reader.read_rows(reinterpret_cast<unsigned char*>(picture.pixels.data()),
                        static_cast<std::size_t>(header.width * header.channels)))
    reader.refuse(file, name);
  if (reader.is_cmyk()) make_rgb_of_cmyk(picture);
  return {std::move(picture), header.orientation, reader.warnings()};
}

}  // namespace

PictureDecoder jpeg_decoder() {
  return {"JPEG", is_jpeg, jpeg_header, decode_jpeg};
}

}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <png.h>

#include <array>
#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/pictures/decoder.h"
#include "data/pictures/exif.h"

namespace ebb::data {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1a\n"sv;
constexpr std::size_t kChunkFrame = 12;  // length, name and checksum
constexpr std::size_t kFirstChunk = 8, kHeaderBytes = 13;
constexpr std::int64_t kDeflateRatio = 1032;  // the largest of DEFLATE

struct PngState {
  PictureBytes rest;  // of the file
  std::jmp_buf jump;
  std::array<char, 128> text;
  bool ended;  // the file ends before the picture
  std::uint64_t warnings;
};

// As for JPEG: the member functions that call libpng have no objects to destroy.
[[noreturn]] void on_png_error(png_structp png, png_const_charp text) {
  auto& state = *static_cast<PngState*>(png_get_error_ptr(png));
  std::snprintf(state.text.data(), state.text.size(), "%s", text);
  std::longjmp(state.jump, 1);
}

void on_png_warning(png_structp png, png_const_charp /*text*/) {
  ++static_cast<PngState*>(png_get_error_ptr(png))->warnings;
}

void read_png_bytes(png_structp png, png_bytep out, std::size_t count) {
  auto& state = *static_cast<PngState*>(png_get_io_ptr(png));
  if (count > state.rest.size()) {
    state.ended = true;
    png_error(png, "the file ends");
  }
  std::memcpy(out, state.rest.data(), count);
  state.rest = state.rest.subspan(count);
}

class PngReader {
 public:
  explicit PngReader(PictureBytes file) {
    state_.rest = file;
    state_.text.fill('\0');
    state_.ended = false;
    state_.warnings = 0;
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  // These return whether it went well. The first asks libpng for 8 bits and no palette.
  bool start() noexcept {
    if (setjmp(state_.jump) != 0) return false;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state_, on_png_error, on_png_warning);
    if (png_ == nullptr || (info_ = png_create_info_struct(png_)) == nullptr) {
      std::snprintf(state_.text.data(), state_.text.size(), "libpng has no memory");
      return false;
    }
    png_set_read_fn(png_, &state_, read_png_bytes);
    png_set_user_limits(png_, kLargestPictureSide, kLargestPictureSide);
    // Pixels do not depend on these, and texts and profiles may be packed tightly.
    static constexpr png_byte kUnused[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0eXIf\0hIST\0pCAL";
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kUnused, sizeof kUnused / 5);
    png_read_info(png_, info_);
    png_set_expand(png_);
    png_set_scale_16(png_);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }
  bool read_rows(unsigned char* out, std::size_t rows, std::size_t stride) noexcept {
    if (setjmp(state_.jump) != 0) return false;
    for (int pass = 0; pass < passes_; ++pass)
      for (std::size_t y = 0; y < rows; ++y) png_read_row(png_, out + y * stride, nullptr);
    png_read_end(png_, nullptr);
    return true;
  }

  [[nodiscard]] std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  [[nodiscard]] std::uint64_t warnings() const { return state_.warnings; }

  [[noreturn]] void refuse(PictureBytes file, const std::string& name) const {
    if (state_.ended) refuse_truncated("PNG", file, name);
    refuse_picture(name,
                   fmt::format("the PNG file is damaged: {}; fetch the file again", state_.text.data()));
  }

 private:
  PngState state_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
};

bool is_png(std::string_view head) {
  return head.starts_with(kPngMagic);
}

// Looks for what changes the decoded picture and is no part of the first chunk: transparency of a colour or a
// palette, and EXIF. Chunks beyond the end are left to libpng.
void read_png_chunks(PictureBytes file, bool& is_transparent, int& orientation) {
  bool before_pixels = true;
  for (std::size_t at = kFirstChunk; at + kChunkFrame <= file.size();) {
    const std::size_t length = big_endian(file, at, 4);
    const std::string_view type = text_of(file).substr(at + 4, 4);
    if (length > file.size() - at - kChunkFrame || type == "IEND") return;
    if (type == "IDAT") before_pixels = false;
    if (type == "tRNS" && before_pixels) is_transparent = true;
    if (type == "eXIf") orientation = exif_orientation(file.subspan(at + 8, length));
    at += kChunkFrame + length;
  }
}

PictureHeader png_header(PictureBytes file, const std::string& name) {
  if (file.size() < kFirstChunk + kChunkFrame + kHeaderBytes) refuse_truncated("PNG", file, name);
  if (big_endian(file, kFirstChunk, 4) != kHeaderBytes || text_of(file).substr(kFirstChunk + 4, 4) != "IHDR")
    refuse_picture(name,
                   "the PNG file is damaged: it does not begin with the chunk IHDR; fetch the file again");
  PictureHeader header;
  header.width = big_endian(file, 16, 4);
  header.height = big_endian(file, 20, 4);
  const std::uint32_t bits = big_endian(file, 24, 1), type = big_endian(file, 25, 1);
  const bool is_palette = type == 3, has_alpha = (type & 4U) != 0;
  const bool has_bits =
      std::has_single_bit(bits) && bits <= (is_palette ? 8 : 16) && (bits >= 8 || is_palette || type == 0);
  if (!has_bits || type == 1 || type == 5 || type > 6)
    refuse_picture(
        name,
        fmt::format("the PNG file is damaged: its header gives {} bits of the colour type {}; fetch the "
                    "file again",
                    bits, type));
  const std::int64_t stored = is_palette || (type & 2U) == 0 ? 1 : 3;  // channels without alpha
  header.channels = is_palette ? 3 : stored;
  check_picture_size("PNG", header, name);
  check_picture_fits("PNG", header, header.height * ((header.width * (stored + has_alpha) * bits + 7) / 8),
                     kDeflateRatio, file, name);
  bool is_transparent = has_alpha;
  read_png_chunks(file, is_transparent, header.orientation);
  header.channels += is_transparent ? 1 : 0;
  header.bits = bits == 16 ? 16 : 8;
  return header;
}

DecodedPicture decode_png(PictureBytes file, const std::string& name) {
  const PictureHeader header = png_header(file, name);
  PngReader reader(file);
  if (!reader.start()) reader.refuse(file, name);
  const auto stride = static_cast<std::size_t>(header.width * header.channels);
  if (reader.row_bytes() != stride)
    refuse_picture(name,
                   fmt::format("the PNG file is damaged: its rows decode to {} bytes, and by its chunks they "
                               "have {}; fetch the file again",
                               reader.row_bytes(), stride));
  Picture picture = blank_picture(header);
  if (!reader.read_rows(reinterpret_cast<unsigned char*>(picture.pixels.data()),
                        static_cast<std::size_t>(header.height), stride))
    reader.refuse(file, name);
  return {std::move(picture), header.orientation, reader.warnings()};
}

}  // namespace

PictureDecoder png_decoder() {
  return {"PNG", is_png, png_header, decode_png};
}

}  // namespace ebb::data

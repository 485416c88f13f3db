// SPDX-License-Identifier: Apache-2.0
#include "data/text_stream.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <string_view>
#include <vector>

#include "data/fixtures.h"

namespace ebb::data {
namespace {

using std::string_literals::operator""s;
using testing::expect_error;
using testing::Scratch;
using testing::write_bytes;

std::string gzip(const std::string& text) {
  z_stream stream{};
  constexpr int kWithGzipHeader = 16 + MAX_WBITS;
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, kWithGzipHeader, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()), '\0'), input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string zstd(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

class Text : public ::testing::Test {
 protected:
  std::string read(const std::string& bytes, std::size_t at_once = 100'000) {
    write_bytes(dir_ / "in", bytes);
    TextStream text(dir_ / "in");
    std::string all;
    std::vector<char> block(at_once);
    while (const std::size_t n = text.read(block)) all.append(block.data(), n);
    return all;
  }
  void expect_refused(const std::string& bytes, const std::vector<std::string>& words) {
    expect_error(ExitCode::data, words, [&] { read(bytes); });
  }
  Scratch dir_;
};

std::string long_text() {
  std::string text;
  for (int i = 0; text.size() < (std::size_t{3} << 20); ++i)
    text += "line " + std::to_string(i * 7919) + "\n";
  return text;
}

TEST_F(Text, IsReadAsItIs) {
  EXPECT_EQ(read("a\r\n\xe9\xff"), "a\r\n\xe9\xff") << "another encoding";
  EXPECT_EQ(read("abc", 1), "abc");
  EXPECT_EQ(read(long_text()), long_text());
}

TEST_F(Text, IsUnpacked) {
  const std::string text = long_text();
  EXPECT_EQ(read(gzip(text)), text);
  EXPECT_EQ(read(gzip("a") + gzip("bc")), "abc") << "two members";
  EXPECT_EQ(read(zstd(text)), text);
  EXPECT_EQ(read(zstd("a") + zstd("bc")), "abc") << "two frames";
  EXPECT_EQ(read(zstd("xyz"), 1), "xyz");
}

TEST_F(Text, ThatWasCutIsDamaged) {
  const std::string text = long_text(), gz = gzip(text), zst = zstd(text);
  expect_refused(gz.substr(0, gz.size() / 2), {"/in", "gzip", "truncated"});
  expect_refused(zst.substr(0, zst.size() / 2), {"/in", "Zstandard", "truncated"});
  expect_refused(zst.substr(0, 4) + std::string(200, '\xff'), {"/in", "Zstandard", "damaged"});
}

// U+1F600 is the pair d83d de00; U+00E9 and U+20AC need two and three bytes of UTF-8.
TEST_F(Text, InUtf16BecomesUtf8) {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n";
  EXPECT_EQ(read("\xff\xfe"s + "a\0\xe9\0\xac\x20\x3d\xd8\x00\xde\n\0"s), text);
  EXPECT_EQ(read("\xfe\xff"s + "\0a\0\xe9\x20\xac\xd8\x3d\xde\x00\0\n"s, 2), text);
  EXPECT_EQ(read("\xef\xbb\xbfx"), "x") << "the mark of UTF-8";
  expect_refused("\xff\xfe"s + "a\0\x3d\xd8"s, {"within a character"});
  expect_refused("\xff\xfe"s + "a\0b"s, {"within a character"});
  expect_refused("\xff\xfe"s + "\x3d\xd8"s + "a\0"s, {"surrogate pair"});
  expect_refused("\xff\xfe"s + "\x00\xde"s, {"surrogate pair"});
}

TEST_F(Text, OfManyUnitsInUtf16IsTheSame) {
  std::string packed = "\xff\xfe", plain;
  for (int i = 0; i < 200'000; ++i) {
    const char c = static_cast<char>('a' + i % 26);
    packed += {c, '\0'};
    plain += c;
  }
  EXPECT_EQ(read(packed), plain);
  EXPECT_EQ(read(gzip(packed)), plain);
}

TEST_F(Text, OtherFilesAreRefusedByTheirKind) {
  const std::string zeros(600, '\0');
  for (const auto& [bytes, kind] : std::vector<std::pair<std::string, std::string>>{
           {"\x89PNG\r\n\x1a\n", "a PNG image"},
           {"\xff\xd8\xff\xe0", "a JPEG image"},
           {"PK\x03\x04", "a ZIP archive"},
           {"PAR1", "a Parquet file"},
           {"\x93NUMPY\x01", "a NumPy array"},
           {"%PDF-1.7", "a PDF document"},
           {"\xfd"
            "7zXZ\0"s,
            "xz"},
           {"BZh91AY&SY", "bzip2"},
           {"\xff\xfe\0\0a\0\0\0"s, "UTF-32"},
           {"version https://git-lfs.github.com/spec/v1\noid", "a pointer of git-lfs"},
           {"a\0b\0"s, "without a byte order mark: byte 1 is zero"}})
    expect_refused(bytes + zeros, {"/in: this is not text but ", kind});
  expect_refused(gzip("PK\x03\x04" + zeros), {"ZIP"});
  expect_refused(gzip(gzip("text")), {"gzip within another packing"});
  expect_refused(std::string(257, 'a') + "ustar" + zeros, {"tar archive"});
  expect_refused("", {"/in: it is empty"});
  expect_refused(gzip(""), {"/in: it is empty"});
  for (const std::string text :
       {"PARIS", "GGUF is a file format.", "%PDF- begins a PDF", "PAR1 und PAR2: größer"})
    EXPECT_EQ(read(text), text);
}

TEST_F(Text, LinesEndWithOrWithoutCarriageReturn) {
  write_bytes(dir_ / "in", "a\r\n\nb\rc\nd");
  LineStream lines(dir_ / "in");
  std::vector<std::string> found;
  for (std::string line; lines.next(line);) found.push_back(line);
  EXPECT_EQ(found, (std::vector<std::string>{"a", "", "b\rc", "d"}));
  EXPECT_EQ(lines.number(), 4);
}

TEST_F(Text, LinesAcrossBlocksAreWhole) {
  std::string text;
  for (const std::size_t n : {1 << 20, 3, (1 << 21) + 5, 0, 7}) text += std::string(n, 'x') + "\n";
  write_bytes(dir_ / "in", gzip(text));
  LineStream lines(dir_ / "in");
  std::vector<std::size_t> sizes;
  for (std::string line; lines.next(line);) sizes.push_back(line.size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1 << 20, 3, (1 << 21) + 5, 0, 7}));
}

}  // namespace
}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace ebb::data {

// Bytes of a file, or what it contains when unpacked.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills the beginning of `out`, which is not empty. Returns the number of bytes; 0: there are no more.
  // Error(data) names the file if it is damaged.
  virtual std::size_t read(std::span<char> out) = 0;
};

// The text of a file in UTF-8, or in another encoding of single bytes as it is. Files of gzip (RFC 1952) and
// Zstandard (RFC 8878) are unpacked, with all their members and frames. UTF-16 with a byte order mark becomes
// UTF-8. The mark of UTF-8 is dropped. The first bytes tell all of these, not the name of the file.
//
// Error(data) if the file is absent, unreadable, damaged or empty, or if its first 64 KiB are no text: they
// have the magic of another kind of file, which the message names, or a zero byte.
class TextStream final : public ByteSource {
 public:
  explicit TextStream(const std::filesystem::path& path);
  std::size_t read(std::span<char> out) override;

 private:
  std::unique_ptr<ByteSource> source_;
  std::string head_;  // read before source_
  std::size_t taken_ = 0;
};

// The lines of a text, without "\n" or "\r\n".
class LineStream {
 public:
  explicit LineStream(const std::filesystem::path& path) : text_(path), path_(path) {}
  // False: there are no more. Error(data) for a line above 256 MiB.
  bool next(std::string& line);
  [[nodiscard]] std::int64_t number() const { return number_; }  // of the last line, from 1

 private:
  TextStream text_;
  std::filesystem::path path_;
  std::string block_;
  std::size_t taken_ = 0;
  std::int64_t number_ = 0;
};

}  // namespace ebb::data

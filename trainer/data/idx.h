// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace ebb::data {

// Reads an IDX file (the MNIST family: u8 values, big-endian header), plain or gzipped, once from front to
// back in bounded memory. Error(data) names the file, the offset in the unpacked bytes and the expected
// value. A file that does not open also throws Error(data), and one that cannot have as many bytes as its
// header gives. For one thread.
class IdxReader {
 public:
  explicit IdxReader(const std::filesystem::path& path);
  ~IdxReader();
  IdxReader(const IdxReader&) = delete;
  IdxReader& operator=(const IdxReader&) = delete;
  [[nodiscard]] const std::vector<std::int64_t>& dims() const { return dims_; }  // dims()[0] items
  [[nodiscard]] std::int64_t items() const { return dims_.front(); }
  [[nodiscard]] std::int64_t item_bytes() const { return item_bytes_; }  // product of the other dims
  // Reads the next item, item_bytes() long. Error(data) for a truncated file.
  void read(std::span<std::byte> item);
  // Call it after the last item. Error(data) for bytes that follow it, and for a wrong gzip checksum.
  void finish();

 private:
  struct File;
  void check_size() const;
  void fill(std::span<std::byte> out, const char* what);
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
  std::vector<std::int64_t> dims_;
  std::int64_t item_bytes_ = 1;
  std::int64_t offset_ = 0;
};

}  // namespace ebb::data

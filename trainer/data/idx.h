#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace ebb::data {

// A file of the MNIST family (IDX: u8 values, big-endian header), plain or gzipped, read once from front to
// back in bounded memory. Errors are Error(data) with file, byte offset (of the unpacked bytes) and what was
// expected; a file that cannot be opened too. Not for two threads.
class IdxReader {
 public:
  explicit IdxReader(const std::filesystem::path& path);
  ~IdxReader();
  IdxReader(const IdxReader&) = delete;
  IdxReader& operator=(const IdxReader&) = delete;
  [[nodiscard]] const std::vector<std::int64_t>& dims() const { return dims_; }  // dims()[0] items
  [[nodiscard]] std::int64_t items() const { return dims_.front(); }
  [[nodiscard]] std::int64_t item_bytes() const { return item_bytes_; }  // product of the other dims
  // The next item; item_bytes() long. A file cut short, here or by its gzip checksum, is refused.
  void read(std::span<std::byte> item);
  // After the last item: refuses bytes that follow it and a wrong gzip checksum.
  void finish();

 private:
  struct File;
  void fill(std::span<std::byte> out, const char* what);
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
  std::vector<std::int64_t> dims_;
  std::int64_t item_bytes_ = 1;
  std::int64_t offset_ = 0;
};

}  // namespace ebb::data

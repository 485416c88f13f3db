// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "data/arrays/header.h"
#include "data/dataset.h"
#include "data/progress.h"
#include "data/zip/zip_file.h"

namespace ebb::data {

// An array in a file. Its header is read; its values are not.
struct StoredArray {
  std::string name;   // "x_train"
  std::string where;  // for errors: "mnist.npz, entry x_train.npy"
  ArrayHeader header;
  // Its bytes are those of `file` from `base` on. If they are deflated, they are those of this entry of
  // `zip`.
  std::shared_ptr<const ReadFile> file;
  std::int64_t base = 0;
  std::shared_ptr<const ZipFile> zip;
  std::int64_t entry = 0;
  std::int64_t unpacked_bytes = 0;  // with the header; 0: it is not deflated
};

// The values of an array: read from its file, or from memory if they are deflated.
class ArrayValues {
 public:
  // Unpacks a deflated array into one block. Error(data) if it is damaged.
  ArrayValues(StoredArray array, const BlockAllocator& allocate);
  // Reads the values from byte `offset` of the first one on.
  void read_at(std::int64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] const StoredArray& array() const { return array_; }
  [[nodiscard]] std::int64_t bytes_in_memory() const { return std::ssize(block_.bytes); }

 private:
  StoredArray array_;
  Block block_;
};

// Named arrays: the members of an .npz or .safetensors file, a .npy file, or the .npy files of a folder.
// Error(data) names the path and the fault, also for more than 10,000 arrays.
class ArrayFile {
 public:
  virtual ~ArrayFile() = default;
  [[nodiscard]] virtual std::vector<std::string> names() const = 0;  // bytewise
  [[nodiscard]] virtual StoredArray array(const std::string& name) const = 0;
  // Checks checksums, if there are any, and returns their name.
  virtual std::string check(const Progress& progress) const;
};

// A .npy file has the array "images". Its labels are NAME_labels.npy beside it, or labels.npy. A folder has
// the names of its .npy files. Without any, it has the arrays of its only .npz or .safetensors file.
std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path);

// The file of labels beside a .npy file, as above; empty: there is none, or the path is no such file.
std::optional<std::filesystem::path> labels_beside(const std::filesystem::path& path);

// Whether the path is such a file, by its name and first bytes, or a folder with such files.
bool holds_arrays(const std::filesystem::path& path);

}  // namespace ebb::data

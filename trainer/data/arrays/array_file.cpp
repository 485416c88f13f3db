// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/array_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "data/arrays/safetensors_file.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostArrays = 10'000;
constexpr std::string_view kNpy = ".npy";

[[noreturn]] void refuse_many(const fs::path& path) {
  throw Error(ExitCode::data, fmt::format("{} has more than {} arrays: put all samples into one array",
                                          path.string(), kMostArrays));
}

StoredArray open_npy(const std::string& name, const fs::path& path) {
  const auto file = std::make_shared<const ReadFile>(path, ExitCode::data);
  std::vector<std::byte> head(static_cast<std::size_t>(std::min(file->size(), kNpyHead)));
  file->read_at(0, head);
  return {name, path.string(), parse_npy_header(head, file->size(), path.string()), file, 0, {}, 0, 0};
}

// .npy files by the names of their arrays.
class NpyFiles final : public ArrayFile {
 public:
  explicit NpyFiles(std::map<std::string, fs::path> paths) : paths_(std::move(paths)) {}
  [[nodiscard]] std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, path] : paths_) all.push_back(name);
    return all;
  }
  [[nodiscard]] StoredArray array(const std::string& name) const override {
    return open_npy(name, paths_.at(name));
  }

 private:
  std::map<std::string, fs::path> paths_;
};

class NpzFile final : public ArrayFile {
 public:
  explicit NpzFile(const fs::path& path) : zip_(std::make_shared<const ZipFile>(path)) {}
  [[nodiscard]] std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (std::int64_t i = 0; i < zip_->size(); ++i) {
      const std::string_view name = zip_->name(i);
      if (!name.ends_with(kNpy)) continue;
      if (all.size() == kMostArrays) refuse_many(zip_->path());
      all.emplace_back(name.substr(0, name.size() - kNpy.size()));
    }
    return all;
  }
  [[nodiscard]] StoredArray array(const std::string& name) const override {
    const std::string member = name + std::string(kNpy);
    const std::int64_t index = *zip_->find(member);
    const ZipEntry& entry = zip_->entry(index);
    StoredArray array{name,  fmt::format("{}, entry {}", zip_->path().string(), printable(member)),
                      {},    std::shared_ptr<const ReadFile>(zip_, &zip_->file()),
                      0,     zip_,
                      index, 0};
    std::vector<std::byte> head;
    const auto wanted = static_cast<std::size_t>(std::min(entry.unpacked, kNpyHead));
    if (entry.deflated) {
      array.unpacked_bytes = entry.unpacked;
      zip_->read_blocks(index, [&](std::span<const std::byte> bytes) {
        head.insert(head.end(), bytes.begin(), bytes.end());
        return head.size() < wanted;
      });
    } else {
      array.base = zip_->contents_of_stored(index);
      head.resize(wanted);
      zip_->file().read_at(array.base, head);
    }
    array.header = parse_npy_header(head, entry.unpacked, array.where);
    return array;
  }
  std::string check(const Progress& progress) const override {
    std::int64_t all = 0, done = 0;
    for (std::int64_t i = 0; i < zip_->size(); ++i) all += zip_->entry(i).unpacked;
    for (std::int64_t i = 0; i < zip_->size(); ++i)
      zip_->read_blocks(i, [&](std::span<const std::byte> bytes) {
        done += std::ssize(bytes);
        if (progress) progress(done, all);
        return true;
      });
    return "CRC-32";
  }

 private:
  std::shared_ptr<const ZipFile> zip_;
};

std::unique_ptr<ArrayFile> open_npy_file(const fs::path& path) {
  std::map<std::string, fs::path> paths = {{"images", path}};
  if (const auto labels = labels_beside(path)) paths.emplace("labels", *labels);
  return std::make_unique<NpyFiles>(std::move(paths));
}

// Its files with one of these extensions, by name.
std::vector<fs::path> files_with(const fs::path& folder, std::initializer_list<std::string_view> extensions) {
  std::vector<fs::path> found;
  for_each_entry(folder, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string(), extension = entry.path().extension().string();
    if (name.starts_with('.') || std::ranges::find(extensions, extension) == extensions.end()) return;
    if (found.size() == kMostArrays) refuse_many(folder);
    found.push_back(entry.path());
  });
  std::ranges::sort(found);
  return found;
}

std::unique_ptr<ArrayFile> open_array_folder(const fs::path& folder) {
  std::map<std::string, fs::path> paths;
  for (const fs::path& path : files_with(folder, {kNpy})) paths.emplace(path.stem().string(), path);
  if (!paths.empty()) return std::make_unique<NpyFiles>(std::move(paths));
  const std::vector<fs::path> others = files_with(folder, {".npz", ".safetensors"});
  if (others.empty())
    throw Error(ExitCode::data,
                fmt::format("{} holds no file of arrays (.npy, .npz or .safetensors)", folder.string()));
  if (others.size() > 1)
    throw Error(
        ExitCode::data,
        fmt::format("{} holds {} and {} more files of arrays: give one of them as the source, or name "
                    "them train and test",
                    folder.string(), others[0].filename().string(), others.size() - 1));
  return open_array_file(others[0]);
}

}  // namespace

std::optional<fs::path> labels_beside(const fs::path& path) {
  if (path.extension() != ".npy") return std::nullopt;
  std::error_code ignored;
  for (const fs::path& beside :
       {path.parent_path() / (path.stem().string() + "_labels.npy"), path.parent_path() / "labels.npy"})
    if (beside != path && fs::is_regular_file(path, ignored) && fs::exists(beside, ignored)) return beside;
  return std::nullopt;
}

std::string ArrayFile::check(const Progress& /*progress*/) const {
  return "none";
}

ArrayValues::ArrayValues(StoredArray array, const BlockAllocator& allocate) : array_(std::move(array)) {
  if (array_.unpacked_bytes == 0) return;
  block_ = allocate(static_cast<std::size_t>(array_.unpacked_bytes), kShardCache);
  array_.zip->read(array_.entry, block_.bytes);
}

void ArrayValues::read_at(std::int64_t offset, std::span<std::byte> out) const {
  const std::int64_t begin = array_.header.begin + offset;
  if (array_.unpacked_bytes == 0) return array_.file->read_at(array_.base + begin, out);
  const auto values = std::span(block_.bytes).subspan(static_cast<std::size_t>(begin), out.size());
  std::ranges::copy(values, out.begin());
}

std::unique_ptr<ArrayFile> open_array_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_array_folder(path);
  const std::string extension = path.extension().string();
  if (extension == kNpy) return open_npy_file(path);
  if (extension == ".npz") return std::make_unique<NpzFile>(path);
  if (extension == ".safetensors") return open_safetensors_arrays(path);
  throw Error(ExitCode::data,
              fmt::format("{} is no file of arrays: its name ends neither in .npy nor in .npz or "
                          ".safetensors",
                          path.string()));
}

bool holds_arrays(const fs::path& path) {
  try {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
      const auto files = files_with(path, {kNpy, ".npz", ".safetensors"});
      return std::ranges::any_of(files, holds_arrays);
    }
    if (!fs::is_regular_file(path, ignored)) return false;
    const std::string extension = path.extension().string();
    const auto head = [&path] { return read_head(path, 9, ExitCode::data); };
    if (extension == kNpy) return head().starts_with("\x93NUMPY");
    if (extension == ".npz") return head().starts_with("PK");
    return extension == ".safetensors" && head().ends_with('{');
  } catch (const Error&) {
    return false;  // what cannot be read is recognized by nobody
  }
}

}  // namespace ebb::data

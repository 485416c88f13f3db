// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "data/dataset.h"
#include "data/format.h"
#include "data/mds/dataset.h"
#include "data/mds/writer.h"

namespace ebb::data::testing {
namespace fs = std::filesystem;

// A folder of one test, removed with the object.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "ebb-data-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] fs::path operator/(const std::string& name) const { return path_ / name; }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Refuses memory above what this process has now plus `bytes`.
inline void limit_further_memory(std::int64_t bytes) {
  std::ifstream status("/proc/self/status");
  std::int64_t kib = 0;
  for (std::string word; status >> word;)
    if (word == "VmData:") status >> kib;
  const auto most = static_cast<rlim_t>(kib * 1024 + bytes);
  const rlimit limit{most, most};
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &limit), 0);
}

// Runs `body` in a process of its own, and returns its status (waitpid).
inline int status_of_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      body();
    } catch (...) {
    }
    ::_exit(0);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

inline std::string read_bytes(const fs::path& path) {
  return read_file(path, ExitCode::internal);
}
inline void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(out.good());
}
inline void write_gzip(const fs::path& path, const std::string& bytes) {
  gzFile gz = gzopen(path.c_str(), "wb");
  ASSERT_EQ(gzwrite(gz, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(gz);
}

// Expects `body` to throw an Error with this code, and all of `words` in its message.
inline void expect_error(ExitCode code, const std::vector<std::string>& words,
                         const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const std::string& word : words) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "no '" << word << "' in: " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "no error";
}

// Pixel p of sample i; two samples never have the same pixels.
inline std::byte pixel(std::int64_t i, std::int64_t p) {
  return static_cast<std::byte>((p < 4 ? i >> (8 * p) : i * 7 + p * 13) & 0xff);
}

inline std::string idx_header(const std::vector<std::uint32_t>& dims) {
  std::string text{'\0', '\0', '\x08', static_cast<char>(dims.size())};
  for (const std::uint32_t dim : dims) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(dim >> shift & 0xff);
  }
  return text;
}
inline std::string idx_images(std::int64_t count, std::int64_t height, std::int64_t width) {
  std::string text = idx_header({static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(height),
                                 static_cast<std::uint32_t>(width)});
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t p = 0; p < height * width; ++p) text += static_cast<char>(pixel(i, p));
  }
  return text;
}
inline std::string idx_labels(std::int64_t count) {
  std::string text = idx_header({static_cast<std::uint32_t>(count)});
  for (std::int64_t i = 0; i < count; ++i) text += static_cast<char>(i % 10);
  return text;
}

// An MDS split of `count` images 1 x 2 x 3 with labels, in shards of at most `shard_bytes`.
inline void write_split(const fs::path& folder, std::int64_t count, const std::string& compression = "none",
                        std::int64_t shard_bytes = 1 << 20) {
  fs::create_directories(folder);
  MdsWriter writer(folder, {{"label", "int", {}}, {"image", "ndarray:uint8:1,2,3", {}}},
                   {shard_bytes, compression});
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<std::byte> image(6);
    for (std::int64_t p = 0; p < 6; ++p) image[static_cast<std::size_t>(p)] = pixel(i, p);
    std::vector<std::byte> label(8);
    label[0] = static_cast<std::byte>(i % 10);
    const std::vector<std::span<const std::byte>> values = {image, label};
    writer.write(values);
  }
  writer.finish();
}

inline void expect_pixels(std::span<const std::byte> image, std::int64_t i) {
  for (std::size_t p = 0; p < image.size(); ++p) {
    ASSERT_EQ(image[p], pixel(i, static_cast<std::int64_t>(p))) << "sample " << i << ", pixel " << p;
  }
}

// A sample of a dataset that has one field.
inline void read_only_field(Dataset& dataset, std::int64_t index, std::span<std::byte> out) {
  dataset.read(index, {&out, 1});
}

inline const core::SampleSpec kSmallImages{{core::image_field(1, 2, 3)}};

// Samples that equal their index, with an optional fault.
class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(std::int64_t samples, std::int64_t fails_at = -1)
      : samples_(samples), fails_at_(fails_at) {}
  [[nodiscard]] std::int64_t size() const override { return samples_; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }
  void read(std::int64_t index, SampleBytes out) override {
    if (index == fails_at_) throw Error(ExitCode::data, "sample " + std::to_string(index) + " is damaged");
    for (std::size_t p = 0; p < out[0].size(); ++p) out[0][p] = pixel(index, static_cast<std::int64_t>(p));
  }

 private:
  core::SampleSpec spec_{{core::image_field(1, 2, 3)}};
  std::int64_t samples_, fails_at_;
};

}  // namespace ebb::data::testing

// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& split) {
  fs::path whole = split;
  whole += ".bin";
  std::error_code error;
  if (fs::is_regular_file(whole, error)) return {whole};
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(split, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".bin") files.push_back(entry->path());
  if (error && error != std::errc::no_such_file_or_directory)
    throw Error(ExitCode::data, fmt::format("cannot list {}: {}", split.string(), error.message()));
  if (files.empty())
    throw Error(
        ExitCode::data,
        fmt::format(
            "there is neither a token file {} nor a folder {} of token files: use these names (val.bin "
            "of other programs is test.bin here), or make them from text by `ebb data pack TEXT "
            "--tokenizer bytes -o FOLDER --test-share 0.1`",
            whole.string(), split.string()));
  std::ranges::sort(files);
  return files;
}

// Ids of a file of u16 that was made with a larger vocabulary have lost their upper bits. Each one that is
// left looks valid.
void require_width(const fs::path& path, const TokenFile& file, std::int64_t vocabulary) {
  constexpr std::int64_t kIdsOfU16 = 65536;
  if (file.token_bytes() != 2 || vocabulary <= kIdsOfU16) return;
  throw Error(
      ExitCode::data,
      fmt::format("{}: its tokens have 16 bits, and so the ids 0 to 65535, but model.vocabulary is {}, "
                  "which needs 32 bits: pack the text again with the tokenizer of this vocabulary, or "
                  "set model.vocabulary to at most 65536",
                  path.string(), vocabulary));
}

class Windows final : public Dataset {
 public:
  Windows(const fs::path& split, const WindowOptions& options)
      : spec_{{core::tokens_field(options.tokens)}}, split_(split), options_(options) {
    if (options.tokens < 1)
      throw Error(ExitCode::internal, fmt::format("a window of {} tokens was requested", options.tokens));
    std::int64_t longest = 0;
    for (const fs::path& path : files_of(split)) {
      TokenFile file(path, options.format);
      require_width(path, file, options.vocabulary);
      longest = std::max(longest, file.size());
      const std::int64_t windows = std::max<std::int64_t>(file.size() - 1, 0) / options.tokens;
      if (windows == 0) continue;
      parts_.push_back({std::move(file), size_});
      size_ += windows;
    }
    if (size_ == 0)
      throw Error(
          ExitCode::data,
          fmt::format("{}: its longest token file holds {} tokens, but a window needs {} (data.context "
                      "{} and the next token): {}",
                      split.string(), longest, options.tokens + 1, options.tokens,
                      longest < 2
                          ? "add more text"
                          : fmt::format("set data.context to at most {}, or add more text", longest - 1)));
  }

  [[nodiscard]] std::int64_t size() const override { return size_; }
  [[nodiscard]] const core::SampleSpec& spec() const override { return spec_; }

  void read(std::int64_t index, SampleBytes out) override {
    require_readable(split_.string(), index, size_, spec_, out);
    const auto after = std::ranges::upper_bound(parts_, index, {}, &Part::first);
    const Part& part = *std::prev(after);
    part.file.read((index - part.first) * options_.tokens,
                   {reinterpret_cast<std::int32_t*>(out[0].data()), out[0].size() / sizeof(std::int32_t)},
                   options_.vocabulary > 0 ? options_.vocabulary : INT32_MAX);
  }

 private:
  struct Part {
    TokenFile file;
    std::int64_t first;  // window
  };
  core::SampleSpec spec_;
  fs::path split_;
  WindowOptions options_;
  std::vector<Part> parts_;
  std::int64_t size_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_windows(const fs::path& split, const WindowOptions& options) {
  return std::make_unique<Windows>(split, options);
}

}  // namespace ebb::data

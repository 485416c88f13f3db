// SPDX-License-Identifier: Apache-2.0
#include "train/samples.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "data/tokenizer.h"
#include "models/sample_writer.h"
#include "telemetry/image_grid.h"
#include "train/training_data.h"

namespace ebb::train {

namespace {

class TestSplit final : public models::SampleSource {
 public:
  explicit TestSplit(const Config& config) : config_(config) {}

  at::Tensor images(std::int64_t count) override {
    const auto split = open_test(core::kImageField);
    return read_images(*split, 0, std::min(count, split->size()), split->size());
  }

  std::vector<std::vector<std::int64_t>> texts(std::int64_t count, std::int64_t tokens) override {
    const auto split = open_test(core::kTokensField);
    const std::int64_t texts = std::min(count, split->size());
    const std::int64_t given = std::min(tokens, split->spec().at(core::kTokensField).dims[0] - 1);
    std::vector<std::vector<std::int64_t>> all;
    for (std::int64_t i = 0; i < texts; ++i) {
      std::vector<std::int32_t> window(
          static_cast<std::size_t>(split->spec().at(core::kTokensField).dims[0]));
      const std::span bytes = std::as_writable_bytes(std::span(window));
      split->read(i * (split->size() / texts), {&bytes, 1});
      all.emplace_back(window.begin(), window.begin() + given);
    }
    return all;
  }

  std::string decode(std::span<const std::int64_t> tokens) override { return tokenizer().decode(tokens); }
  std::optional<std::int64_t> end_of_text() override { return tokenizer().end_of_document(); }

 private:
  // Opens only this field, although the family may read more.
  std::unique_ptr<data::Dataset> open_test(std::string_view field) {
    return open_split(config_, "test", {std::string(field)});
  }
  const data::Tokenizer& tokenizer() {
    if (!tokenizer_) tokenizer_ = data::make_tokenizer(config_.data.tokenizer);
    return *tokenizer_;
  }

  const Config& config_;
  std::unique_ptr<data::Tokenizer> tokenizer_;  // loaded for the first text
};

class Folder final : public models::SampleSink {
 public:
  // The time is limited because the other ranks wait, and end the run after parallel.timeout.
  Folder(std::filesystem::path folder, double timeout_s)
      : folder_(std::move(folder)),
        until_(std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_s / 4)) {}

  void write_images(const std::string& name, const at::Tensor& images, std::int64_t columns) override {
    telemetry::write_grid(folder_ / name, images, columns);
  }
  void write_text(const std::string& name, const std::string& text) override {
    write_file_atomically(folder_ / name, text);
  }
  bool has_time_left() override { return std::chrono::steady_clock::now() < until_; }

 private:
  std::filesystem::path folder_;
  std::chrono::time_point<std::chrono::steady_clock, std::chrono::duration<double>> until_;
};

// The files have names of temporary files: if this process is killed, a start at least a minute later deletes
// them.
class Trial final : public models::SampleSink {
 public:
  explicit Trial(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void write_images(const std::string& name, const at::Tensor& images, std::int64_t columns) override {
    telemetry::write_grid(path(name), images, columns);
    std::filesystem::remove(path(name));
  }
  void write_text(const std::string& name, const std::string& text) override {
    write_file_atomically(path(name), text);
    std::filesystem::remove(path(name));
  }
  bool has_time_left() override { return false; }

 private:
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return folder_ / (name + ".tmp.0000000000000000");
  }

  std::filesystem::path folder_;
};

}  // namespace

void try_samples(const Config& config, core::UnitRunner& runner, models::Model& model,
                 const std::filesystem::path& folder) {
  TestSplit source(config);
  Trial sink(folder);
  model.write_samples(source, sink, runner);
}

void write_samples(const Config& config, core::UnitRunner& runner, models::Model& model,
                   const std::filesystem::path& folder) {
  TestSplit source(config);
  Folder sink(folder, config.parallel.timeout_s);
  model.write_samples(source, sink, runner);
}

}  // namespace ebb::train

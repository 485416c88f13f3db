// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/sampler.h"

// The samples that a run writes. A model chooses what to write; the layer above reads the data and writes the
// files.
namespace ebb::models {

// Inputs of the test split.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  // Its first images [n, C, H, W] uint8 on the CPU, n at most `count`.
  virtual at::Tensor images(std::int64_t count) = 0;
  // The first `tokens` tokens of at most `count` windows, spread evenly over the split.
  virtual std::vector<std::vector<std::int64_t>> texts(std::int64_t count, std::int64_t tokens) = 0;
  // The text of tokens, and the token that ends a text.
  virtual std::string decode(std::span<const std::int64_t> tokens) = 0;
  virtual std::optional<std::int64_t> end_of_text() = 0;
};

// The destination of samples. `name` is the name of one of the family's FamilyTexts::sample_files.
class SampleSink {
 public:
  virtual ~SampleSink() = default;
  virtual void write_images(const std::string& name, const at::Tensor& images, std::int64_t columns) = 0;
  virtual void write_text(const std::string& name, const std::string& text) = 0;
  // False: the other ranks have waited long enough, and the model should write what it has.
  virtual bool has_time_left() = 0;
};

inline constexpr std::int64_t kNewImages = 64;
// samples.png: kNewImages new images in a grid.
void write_new_images(ImageSampler& sampler, SampleSink& sink, core::UnitRunner& runner);
// reconstructions.png: test images, each above the model's reconstruction.
void write_reconstructions(ImageReconstructor& model, SampleSource& source, SampleSink& sink,
                           core::UnitRunner& runner);
inline constexpr std::int64_t kPromptTokens = 32, kNewTokens = 256;
// samples.txt: kPromptTokens of each of several test windows, with the model's continuation of kNewTokens.
void write_continuations(TextSampler& sampler, SampleSource& source, SampleSink& sink,
                         core::UnitRunner& runner);

}  // namespace ebb::models

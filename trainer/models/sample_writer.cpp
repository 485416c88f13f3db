// SPDX-License-Identifier: Apache-2.0
#include "models/sample_writer.h"

#include <algorithm>

#include "models/generate.h"

namespace ebb::models {

namespace {

constexpr std::int64_t kColumns = 8;  // of a grid of images

}  // namespace

void write_new_images(ImageSampler& sampler, SampleSink& sink, core::UnitRunner& runner) {
  sink.write_images("samples.png", sampler.sample(0, kNewImages, 0, runner), kColumns);
}

void write_reconstructions(ImageReconstructor& model, SampleSource& source, SampleSink& sink,
                           core::UnitRunner& runner) {
  constexpr std::int64_t kRows = 4;
  const at::Tensor originals = source.images(kColumns * kRows);
  const at::Tensor images = model.reconstruct(originals, runner);
  const std::int64_t count = originals.size(0);
  std::vector<at::Tensor> rows;  // originals, below them their reconstructions
  for (std::int64_t first = 0; first < count; first += kColumns) {
    const std::int64_t n = std::min(kColumns, count - first);
    for (const at::Tensor& all : {originals, images}) {
      rows.push_back(all.narrow(0, first, n));
      if (n < kColumns) {
        std::vector<std::int64_t> rest = all.sizes().vec();
        rest[0] = kColumns - n;
        rows.push_back(at::zeros(rest, at::kByte));
      }
    }
  }
  sink.write_images("reconstructions.png", at::cat(rows), kColumns);
}

void write_continuations(TextSampler& sampler, SampleSource& source, SampleSink& sink,
                         core::UnitRunner& runner) {
  constexpr std::int64_t kTexts = 4;
  std::string page;
  std::uint64_t number = 0;
  for (const std::vector<std::int64_t>& prompt : source.texts(kTexts, kPromptTokens)) {
    page += std::string(number > 0 ? "\n\n" : "") + "--- prompt: " + source.decode(prompt) +
            "\n--- continuation: ";
    TextOptions options;
    options.sampling = {.temperature = 0.8, .seed = number++};
    options.tokens = kNewTokens;
    options.stop = source.end_of_text();
    generate(sampler, prompt, options, runner, [&](std::int64_t token) {
      page += source.decode({{token}});
      return sink.has_time_left();
    });
  }
  sink.write_text("samples.txt", page + "\n");
}

}  // namespace ebb::models

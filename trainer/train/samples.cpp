#include "train/samples.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/tokenizer.h"
#include "models/generate.h"
#include "telemetry/image_grid.h"

namespace ebb::train {

namespace {

void write_pictures(Session& session, models::ImageSampler& sampler, const std::filesystem::path& folder) {
  constexpr std::int64_t kSamples = 64, kColumns = 8, kRows = 4;
  telemetry::write_grid(folder / "samples.png", sampler.sample(kSamples, 0, session.runner), kColumns);

  const auto dataset = session.open_split("test");
  const core::FieldSpec& image = dataset->spec().at(core::kImageField);
  const auto images_of = [&](std::int64_t count) {
    return at::zeros({count, image.dims[0], image.dims[1], image.dims[2]}, at::kByte);
  };
  const std::int64_t count = std::min(kColumns * kRows, dataset->size());
  const memory::Tag tag(memory::Class::data, "pictures");
  const at::Tensor originals = images_of(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::span bytes(static_cast<std::byte*>(originals[i].data_ptr()),
                          static_cast<std::size_t>(image.bytes()));
    dataset->read(i, {&bytes, 1});
  }
  const at::Tensor images = sampler.reconstruct(originals, session.runner);
  std::vector<at::Tensor> rows;  // originals above their reconstructions
  for (std::int64_t first = 0; first < count; first += kColumns) {
    const std::int64_t n = std::min(kColumns, count - first);
    for (const at::Tensor& source : {originals, images}) {
      rows.push_back(source.narrow(0, first, n));
      if (n < kColumns) rows.push_back(images_of(kColumns - n));
    }
  }
  telemetry::write_grid(folder / "reconstructions.png", at::cat(rows), kColumns);
}

// `tokens` of a window of the test split.
std::vector<std::int64_t> beginning(data::Dataset& split, std::int64_t window, std::int64_t tokens) {
  std::vector<std::int32_t> whole(static_cast<std::size_t>(split.spec().at(core::kTokensField).dims[0]));
  const std::span bytes = std::as_writable_bytes(std::span(whole));
  split.read(window, {&bytes, 1});
  return {whole.begin(), whole.begin() + tokens};
}

void write_texts(Session& session, models::TextSampler& sampler, const std::filesystem::path& folder) {
  constexpr std::int64_t kTexts = 4, kGiven = 32, kTokens = 256;
  // The other ranks wait meanwhile, and give this one up after parallel.timeout.
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(session.config.parallel.timeout_s / 4);
  const auto split = session.open_split("test");
  const auto tokenizer = data::make_tokenizer(session.config.data.tokenizer);
  const std::int64_t texts = std::min(kTexts, split->size());
  std::string page;
  for (std::int64_t i = 0; i < texts; ++i) {
    const auto prompt = beginning(*split, i * (split->size() / texts),
                                  std::min(kGiven, split->spec().at(core::kTokensField).dims[0] - 1));
    page += std::string(i > 0 ? "\n\n" : "") + "--- given: " + tokenizer->decode(prompt) + "\n--- goes on: ";
    models::TextOptions options;
    options.draw = {.temperature = 0.8, .seed = static_cast<std::uint64_t>(i)};
    options.tokens = kTokens;
    options.stop = tokenizer->end_of_document();
    models::generate(sampler, prompt, options, session.runner, [&](std::int64_t token) {
      page += tokenizer->decode({{token}});
      return std::chrono::steady_clock::now() < until;
    });
  }
  write_file_atomically(folder / "samples.txt", page + "\n");
}

}  // namespace

void write_samples(Session& session, const std::filesystem::path& folder) {
  const auto sampler = session.model->sampler();
  if (const auto* images = std::get_if<models::ImageSampler*>(&sampler)) {
    write_pictures(session, **images, folder);
  } else {
    write_texts(session, *std::get<models::TextSampler*>(sampler), folder);
  }
}

}  // namespace ebb::train

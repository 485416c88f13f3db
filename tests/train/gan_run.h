// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "data/mds/pack_idx.h"
#include "support/tiny_run.h"

namespace ebb::test {

inline constexpr int kSteps = 12, kBatch = 16, kSide = 16, kClasses = 3;

inline void write_idx_header(std::ofstream& out, char dimensions, const std::vector<std::uint32_t>& sizes) {
  out.write("\0\0\x08", 3).put(dimensions);
  for (const std::uint32_t n : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) out.put(static_cast<char>(n >> shift & 255));
}

// Bright squares whose place is their class, 14 x 14, padded to 16 x 16. `wrong` is the index of a training
// sample with the label kClasses, which is no class.
inline void make_gan_data(const TemporaryFolder& folder, const std::string& name, std::uint32_t samples = 240,
                          std::uint32_t wrong = UINT32_MAX) {
  for (const char* split : {"train", "test"}) {
    const bool trains = std::string_view(split) == "train";
    const std::uint32_t count = trains ? samples : 50;
    data::PackOptions options;
    options.images = folder / (std::string(split) + "-" + name + ".idx");
    options.labels = folder / (std::string(split) + "-" + name + "-labels.idx");
    options.out = folder / (name + "/" + std::string(split));
    options.pad = kSide;
    std::ofstream images(options.images, std::ios::binary), labels(options.labels, std::ios::binary);
    write_idx_header(images, 3, {count, 14, 14});
    write_idx_header(labels, 1, {count});
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t label = i % kClasses;
      labels.put(static_cast<char>(trains && i == wrong ? kClasses : label));
      for (std::uint32_t y = 0; y < 14; ++y)
        for (std::uint32_t x = 0; x < 14; ++x)
          images.put(static_cast<char>(x / 5 == label && y > 3 && y < 10 ? 200 + i % 50 : i % 20));
    }
    images.close();
    labels.close();
    data::pack_idx(options, [](std::int64_t, std::int64_t) {});
  }
}

// Writes a dataset, and gan.yaml: a conditional GAN that trains on it in seconds, with an average of its
// generator.
inline void make_gan_run(const TinyRun& tiny) {
  make_gan_data(tiny.folder(), "gan");
  std::ofstream(tiny.folder() / "gan.yaml")
      << "run: {name: gan, dir: " << (tiny.folder() / "runs") << ", steps: " << kSteps
      << ", evaluate_every: 6, sample_every: 4}\n"
      << "model: {kind: gan, latent: 8, width: 8, max_width: 16, group_width: 4, conditional: true, "
         "classes: "
      << kClasses << ",\n"
      << "        penalty: {r1: 0.5, r2: 0.5, final_ratio: 0.1, schedule: {curve: cosine, samples: 160}},\n"
      << "        augment: {final_probability: 0.6, schedule: {curve: linear, samples: 160}}}\n"
      << "data: {source: " << (tiny.folder() / "gan") << ", batch: " << kBatch << "}\n"
      << "precision: {loss_scale: {initial: 1024}}\n"
      << "optimizer: {lr: 0.002, beta1: 0, beta2: 0.9, final_beta2: 0.99, weight_decay: 0, clip_norm: 0,\n"
      << "            beta2_schedule: {curve: linear, samples: 128}, schedule: {warmup_steps: 2}}\n"
      << "generator: {average: {half_life: 64, ramp: {curve: linear, samples: 96}}}\n"
      << "parallel: {threads: 1, timeout: 60s}\n"
      << "checkpoint: {every: 3, keep: 10}\n";
}

// The checkpoint after `steps` steps.
inline std::string checkpoint_folder(const std::string& run_folder, int steps) {
  char checkpoint[32];
  std::snprintf(checkpoint, sizeof checkpoint, "step-%08d", steps);
  return run_folder + "/checkpoints/" + checkpoint;
}

// The values beside the tensors in the checkpoint after `steps` steps.
inline nlohmann::json values_of_checkpoint(const std::string& run_folder, int steps) {
  std::ifstream manifest(checkpoint_folder(run_folder, steps) + "/manifest.json");
  return nlohmann::json::parse(manifest).at("values");
}

// The command that trains gan.yaml as run `name`.
inline std::vector<std::string> gan_command(const TinyRun& tiny, int ranks, const std::string& name,
                                            const std::vector<std::string>& overrides) {
  std::vector<std::string> argv{ebb_binary(), "train", tiny.folder() / "gan.yaml", "run.name=" + name};
  argv.insert(argv.end(), overrides.begin(), overrides.end());
  return ranks == 1 ? argv : mpirun(ranks, argv);
}

}  // namespace ebb::test

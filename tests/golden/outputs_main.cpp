// SPDX-License-Identifier: Apache-2.0
// Writes the results of a saved model of images before they become bytes, for a comparison with a reference:
//   ebb_outputs CHECKPOINT BATCH OUT COUNT SEED
// BATCH and OUT are safetensors. BATCH has one tensor for each field that the model reads, such as image
// [N, C, H, W] u8 and label [N] i64. OUT has these, in fp32 and as bytes:
//
//   - sample.UNIT.I: result I of a unit, from the drawing of COUNT images by SEED; sample.images: the images;
//
//   - reconstruct.UNIT.I and reconstruct.images: the same, from the reconstruction of the batch, if the model
//     has one;
//
//   - forward.UNIT.I: the same, from an evaluation of the batch at position 5 of the stream of samples.
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "checkpoint/safetensors.h"
#include "data/format.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "models/built_in.h"
#include "train/load_model.h"

namespace {

using namespace ebb;

constexpr std::int64_t kPosition = 5;

// Keeps the results of each unit's last run.
class RecordingRunner final : public core::UnitRunner {
 public:
  using UnitRunner::run;
  Tensors run(core::Unit& unit, const std::function<Tensors(const Tensors&)>& body,
              const Tensors& inputs) override {
    Tensors results = body(inputs);
    for (std::size_t i = 0; i < results.size(); ++i) keep(fmt::format("{}.{}", unit.name, i), results[i]);
    return results;
  }
  void begin(const std::string& pass) { pass_ = pass; }
  void keep(const std::string& name, const at::Tensor& tensor) {
    const at::Tensor copy = tensor.scalar_type() == at::kByte ? tensor : tensor.to(at::kFloat);
    all_.insert_or_assign(pass_ + "." + name, copy.clone());
  }
  [[nodiscard]] checkpoint::NamedTensors all() const { return {all_.begin(), all_.end()}; }

 private:
  std::string pass_;
  std::map<std::string, at::Tensor> all_;
};

core::Batch read_batch(const std::string& path, const train::Config& config) {
  const checkpoint::SafetensorsFile file(path);
  core::Batch batch;
  for (const std::string& field : config.model.fields()) {
    const checkpoint::TensorEntry* entry = file.find(field);
    if (entry == nullptr) throw Error(ExitCode::usage, fmt::format("{} has no tensor {}", path, field));
    const at::Tensor values = at::empty(entry->shape, at::TensorOptions().dtype(entry->dtype));
    file.read(*entry, values);
    batch.fields.push_back({field, values});
  }
  batch.position = kPosition;
  batch.global_batch = batch.size();
  return batch;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 6) throw Error(ExitCode::usage, "usage: ebb_outputs CHECKPOINT BATCH OUT COUNT SEED");
  memory::install(*new memory::Ledger);  // outlives every tensor
  const at::NoGradGuard no_grad;
  const auto loaded = train::load_model(argv[1], {models::built_in_families(), data::builtin_formats()});
  const core::Batch batch = read_batch(argv[2], loaded.config);
  RecordingRunner runner;
  runner.begin("sample");
  runner.keep("images",
              loaded.model->image_sampler()->sample(0, std::stoll(argv[4]), std::stoull(argv[5]), runner));
  if (auto* reconstructor = loaded.model->image_reconstructor()) {
    runner.begin("reconstruct");
    runner.keep("images", reconstructor->reconstruct(batch.field(core::kImageField), runner));
  }
  runner.begin("forward");
  (void)loaded.model->phases().front()->forward(batch, runner);
  checkpoint::write_safetensors(argv[3], runner.all(), {});
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

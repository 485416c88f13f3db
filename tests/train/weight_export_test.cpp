// SPDX-License-Identifier: Apache-2.0
#include "train/weight_export.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/version.h"
#include "checkpoint/safetensors.h"
#include "data/format.h"
#include "models/built_in.h"
#include "models/gan/config.h"
#include "models/gpt/config.h"
#include "models/vae/config.h"
#include "support/folder_test.h"

namespace ebb::train {
namespace {

using nlohmann::json;
using numerics::Dtype;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace fs = std::filesystem;

constexpr std::int64_t kOneFile = std::int64_t{1} << 40;  // as limit of a file's size

template <class C>
LoadedModel model_of(const char* family, C values, core::SampleSpec sample, Dtype dtype) {
  Config config({models::built_in_families(), data::builtin_formats()});
  config.model.choose(family, std::make_unique<models::FamilyConfigOf<C>>(std::move(values)));
  config.precision.dtype = dtype;
  config.data.context = 8;
  LoadedModel loaded{models::make_model(config.model, sample, dtype, at::kCPU, 1), config, 3};
  const at::NoGradGuard no_grad;
  double first = 0;
  for (auto& [name, tensor] : loaded.model->state().tensors)
    tensor.copy_(at::arange(tensor.numel(), at::kFloat).view(tensor.sizes()).remainder(7) + ++first / 8);
  return loaded;
}

LoadedModel small_vae(Dtype dtype = Dtype::fp16) {
  models::VaeConfig config;
  config.latent = 3;
  config.width = 8;
  config.hidden = 6;
  config.kl_weight = 0.5;
  return model_of("vae", config, {{core::image_field(2, 8, 4)}}, dtype);
}

class WeightExport : public test::FolderTest {
 protected:
  [[nodiscard]] json json_of(const fs::path& name) const { return json::parse(contents(name)); }
  [[nodiscard]] std::map<std::string, at::Tensor> tensors_of(const fs::path& name) const {
    std::map<std::string, at::Tensor> all;
    const checkpoint::SafetensorsFile file(folder_ / name);
    for (const auto& entry : file.entries()) {
      const at::Tensor values = at::empty(entry.shape, at::TensorOptions().dtype(entry.dtype));
      file.read(entry, values);
      all.emplace(entry.name, values);
    }
    return all;
  }
};

TEST_F(WeightExport, HasEveryParameterInTheDtypeOfTheModel) {
  const std::vector<std::pair<Dtype, std::string>> dtypes{
      {Dtype::fp32, "fp32"}, {Dtype::fp16, "fp16"}, {Dtype::bf16, "bf16"}};
  for (const auto& [dtype, word] : dtypes) {
    const LoadedModel vae = small_vae(dtype);
    const ExportResult result = export_weights(vae, folder_ / word, kOneFile);
    EXPECT_EQ(json_of(word + "/config.json").at("dtype"), word);
    const auto read = tensors_of(word + "/model.safetensors");
    const auto ours = vae.model->state().tensors;
    ASSERT_EQ(read.size(), 16U);
    ASSERT_EQ(read.size(), ours.size());
    EXPECT_TRUE(read.contains("encoder.conv1.weight"));
    for (const auto& [name, tensor] : ours) {
      ASSERT_TRUE(read.contains(name)) << name;
      EXPECT_EQ(read.at(name).scalar_type(), tensor.scalar_type()) << name;
      EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
    }
    EXPECT_EQ(result.tensors, 16);
    EXPECT_EQ(result.files, 1);
    EXPECT_EQ(result.bytes, models::parameter_count(*vae.model) * numerics::size_of(dtype));
  }
}

TEST_F(WeightExport, ConfigDescribesModelAndSample) {
  export_weights(small_vae(), folder_ / "out", kOneFile);
  const json config = json_of("out/config.json");
  EXPECT_EQ(config.at("model_type"), "ebb_vae");
  EXPECT_EQ(config.at("ebb_version"), version());
  EXPECT_EQ(config.at("sample"), json::parse(R"([{"name": "image", "type": "u8", "dims": [2, 8, 4]}])"));
  EXPECT_EQ(config.at("model").at("latent"), 3);
  EXPECT_EQ(config.at("model").at("hidden"), 6);
  EXPECT_EQ(config.at("model").at("kl_weight"), 0.5);
  EXPECT_FALSE(config.at("model").contains("kind"));
}

TEST_F(WeightExport, OfAGanHasBothNetworksAndNestedKeys) {
  models::GanConfig gan;
  gan.architecture = models::GanArchitecture::dcgan;
  gan.latent = 5;
  gan.width = gan.max_width = gan.group_width = 4;
  gan.conditional = true;
  gan.classes = 3;
  gan.penalty.r1 = 0.25;
  export_weights(model_of("gan", gan, {{core::image_field(1, 16, 16), core::label_field()}}, Dtype::fp32),
                 folder_ / "out", kOneFile);
  const json config = json_of("out/config.json");
  EXPECT_EQ(config.at("model_type"), "ebb_gan");
  EXPECT_EQ(config.at("sample").size(), 2U);
  const json& keys = config.at("model");
  EXPECT_EQ(keys.at("architecture"), "dcgan");
  EXPECT_EQ(keys.at("conditional"), true);
  EXPECT_EQ(keys.at("penalty").at("r1"), 0.25);
  EXPECT_EQ(keys.at("penalty").at("schedule").at("curve"), "constant");
  const auto tensors = tensors_of("out/model.safetensors");
  EXPECT_EQ(tensors.at("generator.stage0.embedding.weight").sizes(), at::IntArrayRef({3, 5}));
  EXPECT_EQ(tensors.at("discriminator.stage2.logit.weight").sizes(), at::IntArrayRef({4, 64}));
}

TEST_F(WeightExport, SplitsWeightsAboveALimit) {
  const LoadedModel vae = small_vae();
  const ExportResult result = export_weights(vae, folder_ / "out", 400);
  EXPECT_GT(result.files, 2);
  const json index = json_of("out/model.safetensors.index.json");
  EXPECT_EQ(index.at("metadata").at("total_size"), result.bytes);
  std::set<std::string> files;
  for (const auto& [tensor, file] : index.at("weight_map").items()) {
    files.insert(file.get<std::string>());
    EXPECT_TRUE(tensors_of("out/" + file.get<std::string>()).contains(tensor)) << tensor;
  }
  EXPECT_EQ(static_cast<std::int64_t>(files.size()), result.files);
  EXPECT_EQ(index.at("weight_map").size(), vae.model->state().tensors.size());
  EXPECT_FALSE(fs::exists(folder_ / "out/model.safetensors"));
}

TEST_F(WeightExport, NamesAParameterThatItsDtypeCouldNotHold) {
  for (const Dtype dtype : {Dtype::fp16, Dtype::bf16}) {
    LoadedModel vae = small_vae(dtype);
    {
      const at::NoGradGuard no_grad;
      vae.model->state().tensors.at("encoder.conv1.weight").view(-1)[3] = -1e39;  // infinite in all dtypes
    }
    try {
      export_weights(vae, folder_ / "out", kOneFile);
      FAIL() << "expected a refusal";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_THAT(error.what(), HasSubstr("the parameter encoder.conv1.weight has the value -inf in"));
    }
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }
}

TEST_F(WeightExport, RefusesAFolderThatIsNotEmpty) {
  const LoadedModel vae = small_vae();
  fs::create_directory(folder_ / "empty");
  EXPECT_NO_THROW(export_weights(vae, folder_ / "empty", kOneFile));
  put("mine/notes.txt", "kept");
  for (const char* taken : {"empty", "mine", "mine/notes.txt"}) {
    try {
      export_weights(vae, folder_ / taken, kOneFile);
      FAIL() << "expected a refusal of " << taken;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_THAT(error.what(), HasSubstr("is not an empty folder"));
    }
  }
  EXPECT_EQ(contents("mine/notes.txt"), "kept");
  EXPECT_FALSE(fs::exists(folder_ / "mine/config.json"));
}

TEST_F(WeightExport, OfALanguageModelIsThatOfTransformersIfItHasTheModel) {
  models::GptConfig gpt;
  gpt.vocabulary = 11;
  gpt.layers = 1;
  gpt.heads = 2;
  gpt.dim = 8;
  const core::SampleSpec sample{{core::tokens_field(8)}};
  export_weights(model_of("gpt", gpt, sample, Dtype::fp16), folder_ / "plain", kOneFile);
  EXPECT_EQ(json_of("plain/config.json").at("model_type"), "gpt2");
  EXPECT_THAT(tensors_of("plain/model.safetensors").begin()->first, StartsWith("transformer."));
  // GPT-2 of transformers has as many key/value heads as heads.
  gpt.kv_heads = 1;
  const LoadedModel grouped = model_of("gpt", gpt, sample, Dtype::fp16);
  export_weights(grouped, folder_ / "grouped", kOneFile);
  const json config = json_of("grouped/config.json");
  EXPECT_EQ(config.at("model_type"), "ebb_gpt");
  EXPECT_EQ(config.at("model").at("kv_heads"), 1);
  EXPECT_EQ(config.at("model").at("feed_forward"), "auto");
  EXPECT_TRUE(tensors_of("grouped/model.safetensors").contains("block.0.attention.qkv.weight"));
}

}  // namespace
}  // namespace ebb::train

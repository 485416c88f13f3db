// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "models/built_in.h"
#include "models/gpt/hub.h"

namespace ebb::train {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

models::GptConfig tiny(models::GptArchitecture architecture) {
  models::GptConfig config;
  config.architecture = architecture;
  config.vocabulary = 11;
  config.context = 8;
  config.layers = 1;
  config.heads = 2;
  config.dim = 8;
  if (config.is_llama()) config.kv_heads = 1;
  return config;
}

using Gpt = models::FamilyConfigOf<models::GptConfig>;

class WeightsTest : public ::testing::Test {
 protected:
  WeightsTest() {
    std::string pattern = (fs::temp_directory_path() / "ebb-weights-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~WeightsTest() override { fs::remove_all(folder_); }

  // The folder of a model whose tensors hold 0, 1, 2, …; `change` may remove some or add new ones.
  void write(const models::GptConfig& config,
             const std::function<void(checkpoint::NamedTensors&)>& change = {}) {
    checkpoint::NamedTensors tensors;
    for (const auto& t : models::hub_tensors(config, 8)) {
      std::int64_t n = 1;
      for (const std::int64_t d : t.shape) n *= d;
      tensors.emplace_back(t.name, at::arange(n, at::kHalf).view(t.shape));
    }
    if (change) change(tensors);
    checkpoint::write_safetensors(folder_ / "model.safetensors", tensors, {});
    write_file_atomically(folder_ / "config.json",
                          models::to_hub_config(config, 8, numerics::Dtype::fp16).dump());
  }
  std::string refusal(const models::GptConfig& config) {
    try {
      WeightFolder(folder_, families_).require(Gpt(config), 8);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "";
  }
  fs::path folder_;
  const models::Families families_ = models::built_in_families();
};

TEST_F(WeightsTest, ReadsTensorsIntoParameters) {
  const auto llama = tiny(models::GptArchitecture::llama);
  write(llama);
  WeightFolder weights(folder_, families_);
  weights.require(Gpt(llama), 8);
  const at::Tensor qkv = at::empty({16, 8});
  weights.read("block.0.attention.qkv.weight", qkv, numerics::Dtype::fp16);
  EXPECT_TRUE(at::equal(qkv.narrow(0, 0, 8), at::arange(64, at::kFloat).view({8, 8})));
  EXPECT_TRUE(at::equal(qkv.narrow(0, 8, 4), at::arange(32, at::kFloat).view({4, 8})));

  const auto gpt2 = tiny(models::GptArchitecture::gpt2);
  write(gpt2);
  const at::Tensor up = at::empty({32, 8});
  WeightFolder other(folder_, families_);
  other.require(Gpt(gpt2), 8);
  other.read("block.0.mlp.up.weight", up, numerics::Dtype::fp16);
  EXPECT_TRUE(at::equal(up, at::arange(256, at::kFloat).view({8, 32}).t()));
}

TEST_F(WeightsTest, AcceptsNamesAndExtraTensorsOfTheFirstGpt2) {
  const auto config = tiny(models::GptArchitecture::gpt2);
  write(config, [](checkpoint::NamedTensors& tensors) {
    for (auto& [name, _] : tensors) name = name.substr(std::string("transformer.").size());
    tensors.emplace_back("h.0.attn.bias", at::ones({1, 1, 8, 8}, at::kByte));
    tensors.emplace_back("lm_head.weight", at::arange(88, at::kHalf).view({11, 8}));
  });
  EXPECT_EQ(refusal(config), "");
  const at::Tensor table = at::empty({11, 8});
  WeightFolder weights(folder_, families_);
  weights.require(Gpt(config), 8);
  weights.read("embedding.weight", table, numerics::Dtype::fp16);
  EXPECT_EQ(table[10][7].item<float>(), 87);
}

TEST_F(WeightsTest, CountsTheDtypesOfAllTensors) {
  const auto config = tiny(models::GptArchitecture::gpt2);
  write(config, [](checkpoint::NamedTensors& tensors) {
    tensors[0].second = tensors[0].second.to(at::kFloat);
    tensors[2].second = tensors[2].second.to(at::kBFloat16);
    tensors.emplace_back("transformer.h.0.attn.bias", at::ones({1, 1, 8, 8}, at::kDouble));  // no weight
  });
  WeightFolder weights(folder_, families_);
  weights.require(Gpt(config), 8);
  const auto dtypes = weights.dtypes();
  const auto n = std::ssize(models::hub_tensors(config, 8));
  EXPECT_EQ(dtypes, (std::map<std::string, std::int64_t>{{"BF16", 1}, {"F16", n - 2}, {"F32", 1}}));
}

TEST_F(WeightsTest, ValuesThatFp16CannotHoldAreNamed) {
  const auto config = tiny(models::GptArchitecture::llama);
  const auto with = [&](double value) {
    write(config, [&](checkpoint::NamedTensors& tensors) {
      for (auto& [name, tensor] : tensors)
        if (name == "model.norm.weight") tensor = at::full({8}, value, at::kDouble);
    });
    WeightFolder weights(folder_, families_);
    weights.require(Gpt(config), 8);
    return weights;
  };
  const auto refusal_of = [](const std::function<void()>& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "";
  };
  const at::Tensor norm = at::empty({8});
  const auto read = [&](double value, numerics::Dtype dtype) {
    return refusal_of([&] { with(value).read("norm.weight", norm, dtype); });
  };
  EXPECT_EQ(read(-65504, numerics::Dtype::fp16), "");
  EXPECT_THAT(read(-65536, numerics::Dtype::fp16),
              AllOf(HasSubstr("model.norm.weight has a value of magnitude 65536, above 65504"),
                    HasSubstr("precision.dtype to bf16")));
  EXPECT_EQ(read(-65536, numerics::Dtype::bf16), "");
  EXPECT_EQ(norm[0].item<double>(), -65536);
  EXPECT_EQ(with(-65536).extreme().tensor, "model.norm.weight");
  EXPECT_EQ(with(-65536).extreme().magnitude, 65536);
  EXPECT_FALSE(with(-65536).extreme().fits_fp16());
  EXPECT_TRUE(with(-65504).extreme().fits_fp16());
  for (const double bad : {std::nan(""), -std::numeric_limits<double>::infinity(), 1e39}) {
    EXPECT_THAT(read(bad, numerics::Dtype::fp32), HasSubstr("model.norm.weight has the value "));
    EXPECT_THAT(
        refusal_of([&] { (void)with(bad).extreme(); }),
        HasSubstr(std::isfinite(bad) ? "1e+39, which is too large for fp32" : "weights must be finite"))
        << bad;
  }
}

TEST_F(WeightsTest, AnImportIsNotAdvisedByItsOwnRefusal) {
  const auto config = tiny(models::GptArchitecture::llama);
  write(config, [](checkpoint::NamedTensors& tensors) { tensors.pop_back(); });
  EXPECT_THAT(refusal(config), HasSubstr("`ebb import "));
  try {
    WeightFolder weights(folder_, families_);
    weights.require(weights.config(), 8, true);
    FAIL() << "a tensor is missing";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("is not in the folder"), Not(HasSubstr("`ebb import"))));
  }
}

// As in the library, which then uses both tensors.
TEST_F(WeightsTest, AHeadThatDiffersFromTiedEmbeddingsIsRefused) {
  auto config = tiny(models::GptArchitecture::gpt2);
  const auto refusal_with = [&](const at::Tensor& head) -> std::string {
    write(config, [&](checkpoint::NamedTensors& tensors) { tensors.emplace_back("lm_head.weight", head); });
    WeightFolder weights(folder_, families_);
    weights.require(Gpt(config), 8);
    const at::Tensor table = at::empty({11, 8});
    std::string first;
    try {
      weights.read("embedding.weight", table, numerics::Dtype::fp16);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      first = error.what();
    }
    EXPECT_EQ(first.empty(), [&] {
      try {
        (void)weights.extreme();
        return true;
      } catch (const Error&) {
        return false;
      }
    }());
    return first;
  };
  at::Tensor head = at::arange(88, at::kHalf).view({11, 8});
  EXPECT_EQ(refusal_with(head), "");
  EXPECT_EQ(refusal_with(head.to(at::kFloat)), "");
  head[10][7] = 1;
  EXPECT_THAT(refusal_with(head),
              AllOf(HasSubstr("lm_head.weight has other values than transformer.wte.weight"),
                    HasSubstr("set it to false")));
  EXPECT_THAT(refusal_with(at::ones({3, 8})), HasSubstr("lm_head.weight has other values"));
  config.tied = false;
  write(config);
  WeightFolder untied(folder_, families_);
  untied.require(Gpt(config), 8);
  const at::Tensor read = at::empty({11, 8});
  untied.read("head.weight", read, numerics::Dtype::fp16);
  EXPECT_TRUE(at::equal(read, at::arange(88, at::kFloat).view({11, 8})));
}

TEST_F(WeightsTest, PointersOfGitLfsAreNamed) {
  const auto config = tiny(models::GptArchitecture::llama);
  const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1000\n";
  for (const char* name : {"model.safetensors", "config.json", "model.safetensors.index.json"}) {
    write(config);
    if (name == std::string("model.safetensors.index.json")) fs::remove(folder_ / "model.safetensors");
    write_file_atomically(folder_ / name, pointer);
    EXPECT_THAT(refusal(config), AllOf(HasSubstr("a pointer of git-lfs in place of the file of 1000 B"),
                                       HasSubstr(std::string("lfs pull --include ") + name)));
  }
}

TEST_F(WeightsTest, ListsEveryMismatch) {
  const auto config = tiny(models::GptArchitecture::llama);
  write(config, [](checkpoint::NamedTensors& tensors) {
    std::erase_if(tensors, [](const auto& t) { return t.first == "model.norm.weight"; });
    for (auto& [name, tensor] : tensors) {
      if (name == "model.layers.0.mlp.up_proj.weight") tensor = at::ones({3, 8});
      if (name == "model.layers.0.input_layernorm.weight") tensor = at::ones({8}, at::kInt);
    }
    tensors.emplace_back("model.layers.1.mlp.up_proj.weight", at::ones({3, 8}));
  });
  EXPECT_THAT(
      refusal(config),
      AllOf(HasSubstr("model.norm.weight [8] is not in the folder"),
            HasSubstr("model.layers.0.mlp.up_proj.weight is [3, 8] in the folder, [256, 8] in the model"),
            HasSubstr("input_layernorm.weight has type I32"),
            HasSubstr("model.layers.1.mlp.up_proj.weight [3, 8] is in the folder, but not in the model"),
            Not(HasSubstr("down_proj"))));
  auto other = tiny(models::GptArchitecture::gpt2);
  EXPECT_THAT(refusal(other), HasSubstr("the folder holds a llama, and the configuration describes a gpt2"));
}

TEST_F(WeightsTest, MoreLayersThanTensorsAreRefused) {
  auto config = tiny(models::GptArchitecture::gpt2);
  write(config, [](checkpoint::NamedTensors& tensors) { tensors.resize(3); });
  config.layers = 4096;
  EXPECT_THAT(refusal(config), HasSubstr("a model of 4096 layers: the folder holds 3 tensors"));
  config.layers = 3;
  EXPECT_THAT(refusal(config), HasSubstr("is not in the folder"));
}

TEST_F(WeightsTest, AnIndexMayNotLeadOutOfItsFolder) {
  write(tiny(models::GptArchitecture::llama));
  fs::rename(folder_ / "model.safetensors", folder_ / "model-1.safetensors");
  const auto opened = [&](const std::string& index) -> std::string {
    write_file_atomically(folder_ / "model.safetensors.index.json", index);
    return refusal(tiny(models::GptArchitecture::llama));
  };
  EXPECT_EQ(opened(R"({"weight_map": {"a": "model-1.safetensors"}})"), "");
  EXPECT_THAT(opened(R"({"weight_map": {"a": "../model-1.safetensors"}})"),
              HasSubstr("not a file of this folder"));
  EXPECT_THAT(opened(R"({"weight_map": 3})"), HasSubstr("no weight_map"));
  EXPECT_THAT(opened("[]"), HasSubstr("no weight_map"));
  EXPECT_THAT(opened("{"), HasSubstr("not JSON"));
}

TEST_F(WeightsTest, AFolderWithoutWeightsIsRefused) {
  EXPECT_THAT(refusal(tiny(models::GptArchitecture::llama)), HasSubstr("config.json"));
  write(tiny(models::GptArchitecture::llama));
  fs::remove(folder_ / "model.safetensors");
  EXPECT_THAT(refusal(tiny(models::GptArchitecture::llama)), HasSubstr("neither model.safetensors nor"));
}

}  // namespace
}  // namespace ebb::train

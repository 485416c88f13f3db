// SPDX-License-Identifier: Apache-2.0
#include "train/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "config/document.h"
#include "models/built_in.h"
#include "models/model.h"

namespace ebb::train {
namespace {

TEST(TrainConfig, EveryExampleLoadsAndResolvesToItself) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(std::getenv("EBB_SOURCE_DIR")) + "/configs")) {
    const Registries registries{models::built_in_families(), data::builtin_formats()};
    Config config(registries), again(registries);
    load(config, entry.path(), {});
    const std::string resolved = config::resolved_yaml(described(config));
    load_text(again, resolved, "resolved", {});
    EXPECT_EQ(config::resolved_yaml(described(again)), resolved) << entry.path();
    EXPECT_EQ(config::digest(described(again)), config::digest(described(config)));
    ++files;
  }
  EXPECT_GE(files, 1);
}

// Parameters as published; nothing is allocated for them here.
TEST(TrainConfig, ExamplesOfPublishedModelsHaveTheirSizes) {
  for (const auto& [name, parameters] : std::map<std::string, std::int64_t>{{"gpt2-124m", 124'439'808},
                                                                            {"gpt2-1558m", 1'557'611'200},
                                                                            {"llama-1b", 1'235'814'400},
                                                                            {"llama-8b", 8'030'261'248}}) {
    Config config({models::built_in_families(), data::builtin_formats()});
    load(config, std::string(std::getenv("EBB_SOURCE_DIR")) + "/configs/" + name + ".yaml", {});
    const auto model =
        models::make_model(config.model, core::SampleSpec{{core::tokens_field(config.data.context)}},
                           config.precision.dtype, at::kMeta, 1);
    EXPECT_EQ(models::parameter_count(*model), parameters) << name;
  }
}

}  // namespace
}  // namespace ebb::train

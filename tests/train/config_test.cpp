#include "train/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "config/document.h"

namespace ebb::train {
namespace {

TEST(TrainConfig, EveryExampleLoadsAndResolvesToItself) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(std::getenv("EBB_SOURCE_DIR")) + "/configs")) {
    Config config, again;
    load(config, entry.path(), {});
    const std::string resolved = config::resolved_yaml(described(config));
    config::Section section = described(again);
    config::load_text(resolved, "resolved", {}, section);
    EXPECT_EQ(config::resolved_yaml(section), resolved) << entry.path();
    EXPECT_EQ(config::digest(section), config::digest(described(config)));
    ++files;
  }
  EXPECT_GE(files, 1);
}

}  // namespace
}  // namespace ebb::train

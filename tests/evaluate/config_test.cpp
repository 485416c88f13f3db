// SPDX-License-Identifier: Apache-2.0
#include "evaluate/config.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "config/document.h"
#include "support/folder_test.h"

namespace ebb::evaluate {
namespace {

class EvaluateConfigTest : public test::FolderTest {
 protected:
  EvaluateConfig load(const std::string& yaml) {
    put("run.yaml", yaml);
    EvaluateConfig config;
    config::Section root;
    root.section("evaluate", config, "Measures of generated images.");
    config::load(folder_ / "run.yaml", {}, root);
    return config;
  }
};

TEST_F(EvaluateConfigTest, ReadsItsKeys) {
  const EvaluateConfig config = load("evaluate: {samples: 100, features: inception.pt}\n");
  EXPECT_EQ(config.samples, 100);
  EXPECT_EQ(config.features, "inception.pt");
  EXPECT_EQ(load("evaluate: {samples: 0}\n").samples, 0);
}

TEST_F(EvaluateConfigTest, HasDefaults) {
  const EvaluateConfig config = load("{}\n");
  EXPECT_EQ(config.samples, 0);
  EXPECT_EQ(config.features, "");
}

TEST_F(EvaluateConfigTest, RefusesANegativeNumber) {
  EXPECT_THROW(load("evaluate: {samples: -1}\n"), Error);
}

}  // namespace
}  // namespace ebb::evaluate

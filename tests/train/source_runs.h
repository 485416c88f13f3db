// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {

// Runs of the real program on several sources with the same samples, in the folder of a TinyRun.
class SourceRuns : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { tiny_ = new TinyRun; }
  static void TearDownTestSuite() { delete tiny_; }
  static std::string path(const std::string& name) { return tiny_->folder() / name; }
  // Makes the folders too. `name` is below the folder of the tests.
  static void write(const std::string& name, const std::string& bytes) {
    const std::filesystem::path file = path(name);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
  }
  // The keys of a short run on a source.
  static std::vector<std::string> on(const std::string& source, const std::vector<std::string>& more = {}) {
    std::vector<std::string> keys{"data.source=" + path(source), "data.format=auto", "data.batch=8",
                                  "run.steps=15", "run.samples=false"};
    keys.insert(keys.end(), more.begin(), more.end());
    return keys;
  }
  static inline TinyRun* tiny_ = nullptr;
};

}  // namespace ebb::test

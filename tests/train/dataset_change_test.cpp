// SPDX-License-Identifier: Apache-2.0
// A run that resumes with a dataset that has moved, or that has changed under the same path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class DatasetChange : public testing::TestWithParam<TinyRun::Of> {
 protected:
  void SetUp() override {
    const ProcessResult first = tiny_.train(2, "run", {"run.steps=10"});
    ASSERT_EQ(first.exit_code, 0) << first.out << first.err;
  }
  // More steps are another configuration, so the run is resumed to its own end.
  [[nodiscard]] ProcessResult resume(std::vector<std::string> settings) const {
    settings.emplace_back("run.steps=10");
    fs::remove(tiny_.run_folder("run") + "/results.json");
    return tiny_.train(2, "run", settings);
  }
  // Changes a byte in the middle of the training split.
  void change_contents() const {
    const fs::path data = fs::path(tiny_.folder() / "data");
    if (GetParam() == TinyRun::Of::text) {
      const fs::path file = data / "train.bin";
      std::fstream(file, std::ios::in | std::ios::out | std::ios::binary)
          .seekp(4 * 256 + 2)  // the second token
          .put('z');
      return;
    }
    nlohmann::json index = nlohmann::json::parse(std::ifstream(data / "train/index.json"));
    // As packed from other images.
    index.at("shards").at(0).at("raw_data").at("hashes").at("xxh3_64") = "0123456789abcdef";
    std::ofstream(data / "train/index.json") << index;
  }
  TinyRun tiny_{GetParam()};
};

TEST_P(DatasetChange, WhereItLiesDoesNotMatter) {
  fs::rename(tiny_.folder() / "data", tiny_.folder() / "moved");
  const ProcessResult result = resume({"data.source=" + (tiny_.folder() / "moved")});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

TEST_P(DatasetChange, OtherContentsUnderTheSamePathAreRefused) {
  change_contents();
  const ProcessResult result = resume({});
  EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("contents of data.source: saved with "),
                                HasSubstr(" samples, digest "), HasSubstr("checkpoint.resume=force")));
}

INSTANTIATE_TEST_SUITE_P(Formats, DatasetChange, testing::Values(TinyRun::Of::images, TinyRun::Of::text),
                         [](const auto& of) { return of.param == TinyRun::Of::images ? "Mds" : "Tokens"; });

}  // namespace
}  // namespace ebb::test

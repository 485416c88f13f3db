// SPDX-License-Identifier: Apache-2.0
// features_compare.py has files that Python writes.
#include "evaluate/features.h"

#include <gtest/gtest.h>
#include <torch/script.h>

#include "base/sha256.h"
#include "evaluate/images_under_test.h"
#include "evaluate/resize.h"
#include "support/folder_test.h"

namespace ebb::evaluate {
namespace {

class FeatureExtractorTest : public test::FolderTest {
 protected:
  // Writes a TorchScript module with this source, and returns its path.
  [[nodiscard]] std::string script(const std::string& source) const {
    torch::jit::Module module("__torch__.extractor");
    module.define(source);
    const std::string file = folder_ / "extractor.pt";
    module.save(file);
    return file;
  }
  void expect_refusal(const std::string& source, const std::vector<std::string>& parts) const {
    const std::string file = script(source);
    expect_error(ExitCode::usage, parts, [&] { FeatureExtractor(file, 1, 8, 8); });
  }
};

constexpr const char* kPixels = R"(
def forward(self, x):
    return x.float().flatten(1) / 255
)";

TEST_F(FeatureExtractorTest, ComputesFeaturesInBatches) {
  const std::string file = script(kPixels);
  FeatureExtractor extractor(file, 3, 5, 4);
  EXPECT_EQ(extractor.dimension(), 60);
  EXPECT_EQ(extractor.resize(), "none");
  EXPECT_EQ(extractor.digest(), sha256_of_file(file, ExitCode::usage));
  const at::Tensor images = noise(1, 150, 3, 8).slice(2, 0, 5).slice(3, 0, 4);  // not contiguous
  const at::Tensor features = extractor.features(images);
  EXPECT_EQ(features.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(features, images.to(at::kFloat).flatten(1) / 255));
  expect_error(ExitCode::internal, {"[N, 3, 5, 4]", "[150, 3, 8, 8]"},
               [&] { (void)extractor.features(noise(1, 150, 3, 8)); });
}

TEST_F(FeatureExtractorTest, GivesTheModuleAtMost64ImagesAnd8MiB) {
  const std::string file = script(R"(
def forward(self, x):
    return torch.zeros([x.size(0), 2]) + x.size(0)
)");
  const auto batches = [&](std::int64_t images, std::int64_t side) {
    return FeatureExtractor(file, 1, side, side).features(at::zeros({images, 1, side, side}, at::kByte));
  };
  const at::Tensor small = batches(100, 8);
  EXPECT_EQ(small.max().item<float>(), 64);
  EXPECT_EQ(small.min().item<float>(), 36);
  EXPECT_EQ(batches(20, 1024).max().item<float>(), 8);  // 1 MiB each
}

TEST_F(FeatureExtractorTest, RepeatsTheChannelOfGreyImagesIfOneIsRefused) {
  const std::string file = script(R"(
def forward(self, x):
    assert x.size(1) == 3, "three channels are needed"
    return torch.mean(x.float(), [2, 3])
)");
  FeatureExtractor extractor(file, 1, 6, 6);
  EXPECT_EQ(extractor.resize(), "none");
  const at::Tensor images = noise(1, 3, 1, 6);
  const at::Tensor mean = images.to(at::kFloat).mean({2, 3});
  EXPECT_TRUE(at::allclose(extractor.features(images), mean.expand({3, 3})));
}

TEST_F(FeatureExtractorTest, ResizesImagesOfARefusedSize) {
  const std::string file = script(R"(
def forward(self, x):
    assert x.size(1) == 3 and x.size(2) == 299 and x.size(3) == 299, "another size is needed"
    return torch.mean(x.float(), [1, 2])
)");
  FeatureExtractor extractor(file, 1, 28, 28);
  EXPECT_EQ(extractor.resize(), "bicubic 299x299");
  EXPECT_EQ(extractor.dimension(), 299);
  const at::Tensor images = noise(1, 2, 1, 28);
  const at::Tensor expected = resize_bicubic(images, 299, 299).to(at::kFloat).mean(2).squeeze(1);
  EXPECT_TRUE(at::allclose(extractor.features(images), expected, 1e-4, 1e-3));
}

TEST_F(FeatureExtractorTest, AsksForFeaturesByKeyword) {
  const std::string file = script(R"(
def forward(self, x, return_features: bool = False):
    if return_features:
        return x.float().flatten(1)
    return torch.mean(x.float(), [2, 3])
)");
  EXPECT_EQ(FeatureExtractor(file, 1, 4, 4).dimension(), 16);
}

TEST_F(FeatureExtractorTest, RunsInEvaluationModeWithoutGradients) {
  torch::jit::Module module("__torch__.extractor");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_parameter("factor", at::full({1}, 2.0F).requires_grad_(), false);
  module.define(R"(
def forward(self, x):
    assert not self.training, "not in evaluation mode"
    return x.float().flatten(1).half() * self.factor.half()
)");
  module.save(folder_ / "extractor.pt");
  FeatureExtractor extractor(folder_ / "extractor.pt", 1, 4, 4);
  const at::Tensor features = extractor.features(noise(1, 2, 1, 4));
  EXPECT_FALSE(features.requires_grad());
  EXPECT_EQ(features.scalar_type(), at::kFloat);  // of fp16 features
}

TEST_F(FeatureExtractorTest, RefusesOtherResults) {
  expect_refusal("def forward(self, x):\n    return x.float().flatten(1).unsqueeze(2)\n",
                 {"Float [2, 64, 1]", "[2, F]"});
  expect_refusal("def forward(self, x):\n    return x.flatten(1)\n", {"Byte [2, 64]", "floating-point"});
  expect_refusal("def forward(self, x):\n    return x.float().flatten(1)[0:1]\n",
                 {"Float [1, 64]", "2 images"});
  expect_refusal("def forward(self, x):\n    return (x, x)\n", {"Tuple"});
  expect_refusal("def forward(self, x):\n    return torch.zeros([1, 1]).expand([2, 65537])\n",
                 {"Float [2, 65537] for 2 images", "F at most 65536"});
  expect_refusal("def forward(self, x):\n    return x.float().flatten(1).to_sparse()\n",
                 {"a Sparse tensor on the device cpu", "a dense tensor on the CPU"});
  expect_refusal("def forward(self, x):\n    return torch.zeros([2, 8], device=\"meta\")\n",
                 {"a Strided tensor on the device meta"});
}

TEST_F(FeatureExtractorTest, AcceptsTheMostFeatures) {
  const std::string file = script("def forward(self, x):\n    return torch.zeros([x.size(0), 65536])\n");
  EXPECT_EQ(FeatureExtractor(file, 1, 8, 8).dimension(), kMostFeatures);
}

TEST_F(FeatureExtractorTest, NamesTheReasonsOfAModuleThatAlwaysFails) {
  expect_refusal(
      "def forward(self, x):\n    return torch.matmul(x.flatten(1).float(), torch.ones([12, 5]))\n",
      {"extractor.pt",
       "[2, 1, 8, 8]: RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x64 and 12x5)",
       "[2, 3, 8, 8]: ", "[2, 1, 299, 299]: ", "[2, 3, 299, 299]: "});
  expect_refusal("def other(self, x):\n    return x\n", {"no method forward"});
}

TEST_F(FeatureExtractorTest, FailsOnImagesThatTheModuleRefusesLater) {
  const std::string file = script(R"(
def forward(self, x):
    assert int(x.max()) < 100, "too bright"
    return x.float().flatten(1)
)");
  FeatureExtractor extractor(file, 1, 4, 4);
  at::Tensor images = at::zeros({70, 1, 4, 4}, at::kByte);
  images[66].fill_(200);
  expect_error(ExitCode::usage, {"images 64 to 69", "too bright"}, [&] { (void)extractor.features(images); });
}

TEST_F(FeatureExtractorTest, RefusesFilesThatAreNoTorchScript) {
  const auto refuse = [&](const std::string& file, const std::vector<std::string>& parts) {
    expect_error(ExitCode::usage, parts, [&] { FeatureExtractor(folder_ / file, 1, 8, 8); });
  };
  refuse("none.pt", {"none.pt", "is no file"});
  refuse(".", {"is no file"});
  put("text.pt", "some text\n");
  refuse("text.pt", {"text.pt", "is not TorchScript"});
  put("empty.pt", "");
  refuse("empty.pt", {"is not TorchScript"});
  put("old.pt", "\x80\x02\x8a\x0a");  // the first bytes that torch.save wrote before version 1.6
  refuse("old.pt", {"pickled Python object", "torch.jit.script"});
  const std::string whole = [&] {
    (void)script(kPixels);
    return contents("extractor.pt");
  }();
  put("half.pt", whole.substr(0, whole.size() / 2));
  refuse("half.pt", {"is not TorchScript"});
}

}  // namespace
}  // namespace ebb::evaluate

// SPDX-License-Identifier: Apache-2.0
// Calls one function of evaluate/ for a comparison with a reference:
//   ebb_measure resize IMAGES C H W OUT HEIGHT WIDTH
//   ebb_measure features IMAGES C H W OUT MODULE
//   ebb_measure distances FEATURES FEATURES F
// IMAGES: raw uint8 [N, C, H, W], for any N. OUT: raw uint8 [N, C, HEIGHT, WIDTH], or raw fp32 features [N,
// F]. `features` prints the extractor's resize() and digest(). FEATURES: raw fp32 [N, F]; `distances` prints
// the measures of the second file's images, taken as generated, as JSON. An ebb::Error ends the program with
// its code.
#include <ATen/ATen.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "evaluate/feature_distances.h"
#include "evaluate/features.h"
#include "evaluate/precision_recall.h"
#include "evaluate/resize.h"
#include "support/tool_main.h"

namespace {

at::Tensor result_of(const std::vector<std::string>& words, const at::Tensor& images) {
  if (words.at(0) == "resize")
    return ebb::evaluate::resize_bicubic(images, std::stoll(words.at(6)), std::stoll(words.at(7)));
  ebb::evaluate::FeatureExtractor extractor(words.at(6), images.size(1), images.size(2), images.size(3));
  std::printf("%s\n%s\n", extractor.resize().c_str(), extractor.digest().c_str());
  return extractor.features(images);
}

at::Tensor raw_tensor(std::string& bytes, at::ScalarType type, const std::vector<std::int64_t>& shape) {
  const auto elements = static_cast<std::int64_t>(bytes.size() / at::elementSize(type));
  return at::from_blob(bytes.data(), {elements}, type).reshape(shape);
}

void print_distances(const std::vector<std::string>& words) {
  std::string real_bytes = ebb::read_file(words.at(1), ebb::ExitCode::usage);
  std::string generated_bytes = ebb::read_file(words.at(2), ebb::ExitCode::usage);
  const std::vector<std::int64_t> shape{-1, std::stoll(words.at(3))};
  const at::Tensor real = raw_tensor(real_bytes, at::kFloat, shape);
  const at::Tensor generated = raw_tensor(generated_bytes, at::kFloat, shape);
  const ebb::evaluate::PrecisionRecall shares = ebb::evaluate::precision_recall(real, generated);
  const nlohmann::json found{{"frechet", ebb::evaluate::frechet_distance(generated, real)},
                             {"kernel", ebb::evaluate::kernel_distance(generated, real).mean},
                             {"precision", shares.precision},
                             {"recall", shares.recall}};
  std::printf("%s\n", found.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  return ebb::test::run_tool([&] {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.at(0) == "distances") {
      print_distances(words);
      return 0;
    }
    std::string pixels = ebb::read_file(words.at(1), ebb::ExitCode::usage);
    const at::Tensor images = raw_tensor(
        pixels, at::kByte, {-1, std::stoll(words.at(2)), std::stoll(words.at(3)), std::stoll(words.at(4))});
    const at::Tensor result = result_of(words, images).contiguous();
    std::ofstream out(words.at(5), std::ios::binary);
    out.write(static_cast<const char*>(result.const_data_ptr()),
              static_cast<std::streamsize>(result.nbytes()));
    return out.flush() ? 0 : 1;
  });
}

// SPDX-License-Identifier: Apache-2.0
// Calls one function of evaluate/ for a comparison with a reference:
//   ebb_measure resize IMAGES C H W OUT HEIGHT WIDTH
//   ebb_measure features IMAGES C H W OUT MODULE
// IMAGES: raw uint8 [N, C, H, W], for any N. OUT: raw uint8 [N, C, HEIGHT, WIDTH], or raw fp32 features [N,
// F]. `features` prints the extractor's resize() and digest(). An ebb::Error ends the program with its code.
#include <ATen/ATen.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "evaluate/features.h"
#include "evaluate/resize.h"

namespace {

at::Tensor result_of(const std::vector<std::string>& words, const at::Tensor& images) {
  if (words.at(0) == "resize")
    return ebb::evaluate::resize_bicubic(images, std::stoll(words.at(6)), std::stoll(words.at(7)));
  ebb::evaluate::FeatureExtractor extractor(words.at(6), images.size(1), images.size(2), images.size(3));
  std::printf("%s\n%s\n", extractor.resize().c_str(), extractor.digest().c_str());
  return extractor.features(images);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv + 1, argv + argc);
  std::string pixels = ebb::read_file(words.at(1), ebb::ExitCode::usage);
  const at::Tensor images =
      at::from_blob(pixels.data(), {static_cast<std::int64_t>(pixels.size())}, at::kByte)
          .reshape({-1, std::stoll(words.at(2)), std::stoll(words.at(3)), std::stoll(words.at(4))});
  const at::Tensor result = result_of(words, images).contiguous();
  std::ofstream out(words.at(5), std::ios::binary);
  out.write(static_cast<const char*>(result.const_data_ptr()), static_cast<std::streamsize>(result.nbytes()));
  return out.flush() ? 0 : 1;
} catch (const ebb::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return static_cast<int>(error.code());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

// SPDX-License-Identifier: Apache-2.0
// Decodes pictures for a comparison with Pillow, or for a measure of the time:
//   ebb_picture decode CHANNELS SIZE CROP OUT FILE…
//   ebb_picture time REPETITIONS FILE
// `decode` writes the raw pixels, one picture after the other, to OUT, and prints "KIND HEIGHT WIDTH CHANNELS
// BITS" of each header. SIZE 0: not fitted; CROP: 0 or 1. `time` prints the pictures that one thread decodes
// to RGB in a second of its CPU time. An ebb::Error ends the program with its code.
#include <cstdio>
#include <ctime>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "data/pictures/fit.h"
#include "data/pictures/picture.h"
#include "support/tool_main.h"

namespace {

using namespace ebb::data;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

void decode(const std::vector<std::string>& words) {
  const std::int64_t channels = std::stoll(words.at(1)), size = std::stoll(words.at(2));
  std::ofstream out(words.at(4), std::ios::binary);
  for (std::size_t i = 5; i < words.size(); ++i) {
    const std::string file = ebb::read_file(words[i], ebb::ExitCode::data);
    const PictureInfo info = picture_info(bytes_of(file), words[i]);
    std::printf("%s %lld %lld %lld %d\n", info.kind.c_str(), static_cast<long long>(info.height),
                static_cast<long long>(info.width), static_cast<long long>(info.channels), info.bits);
    Picture picture = decode_picture(bytes_of(file), channels, words[i]);
    if (size > 0) picture = fit_picture(std::move(picture), size, words.at(3) == "1");
    out.write(reinterpret_cast<const char*>(picture.pixels.data()),
              static_cast<std::streamsize>(picture.pixels.size()));
  }
}

void time_decoder(int repetitions, const std::string& path) {
  const std::string file = ebb::read_file(path, ebb::ExitCode::data);
  const std::clock_t start = std::clock();
  for (int i = 0; i < repetitions; ++i) decode_picture(bytes_of(file), 3, path);
  std::printf("%.1f\n", repetitions * double{CLOCKS_PER_SEC} / static_cast<double>(std::clock() - start));
}

}  // namespace

int main(int argc, char** argv) {
  return ebb::test::run_tool([&] {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.at(0) == "time")
      time_decoder(std::stoi(words.at(1)), words.at(2));
    else
      decode(words);
    return 0;
  });
}

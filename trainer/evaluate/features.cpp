// SPDX-License-Identifier: Apache-2.0
#include "evaluate/features.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/sha256.h"
#include "evaluate/images.h"
#include "evaluate/resize.h"
#include "memory/tag.h"

namespace ebb::evaluate {
namespace {

constexpr std::int64_t kSide = 299;  // pixels; the input of Inception v3
constexpr std::string_view kResized = "bicubic 299x299";
// What the module gets at once.
constexpr std::int64_t kMostImages = 64, kMostPixelBytes = std::int64_t{8} << 20;
constexpr std::int64_t kProbed = 2;  // images; with one, a lost batch dimension would go unnoticed

// The line that states the error. TorchScript writes a trace before it.
std::string reason_of(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  std::istringstream lines(of_torch != nullptr ? of_torch->what_without_backtrace() : error.what());
  std::string first, stated;
  for (std::string line; std::getline(lines, line);) {
    if (first.empty()) first = line;
    if (line.find("Error: ") != std::string::npos) stated = line;
  }
  return stated.empty() ? first : stated;
}

// Whether torch.save wrote the file: a zip archive of a pickle without code, or, before version 1.6, a
// pickle.
bool is_pickled(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (in.get() == 0x80) return true;  // the opcode that begins a pickle of protocol 2 or later
  try {
    caffe2::serialize::PyTorchStreamReader archive(file);
    return archive.hasRecord("data.pkl") && !archive.hasRecord("constants.pkl");
  } catch (const std::exception&) {
    return false;  // no zip archive
  }
}

std::string digest_of(const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored))
    throw Error(
        ExitCode::usage,
        fmt::format("the feature extractor '{}' is no file; give the path of a TorchScript file", file));
  return sha256_of_file(file, ExitCode::usage);
}

[[noreturn]] void refuse(const std::string& file, const std::exception& error) {
  if (is_pickled(file))
    throw Error(
        ExitCode::usage,
        fmt::format("the feature extractor {} is a pickled Python object, as torch.save writes it; it "
                    "needs its Python code. Save the module by torch.jit.script(module).save(FILE)",
                    file));
  const std::string reason = reason_of(error);
  throw Error(ExitCode::usage,
              fmt::format("the feature extractor {} is not TorchScript, which torch.jit.script(module)"
                          ".save(FILE) writes: {}",
                          file, reason.substr(0, reason.find(". "))));  // the first sentence
}

torch::jit::Module loaded(const std::string& file) {
  const memory::Tag tag(memory::Class::parameters, kExtractorOwner);
  try {
    torch::jit::Module module = torch::jit::load(file, at::kCPU);
    module.eval();
    return module;
  } catch (const std::exception& error) {
    refuse(file, error);
  }
}

}  // namespace

struct FeatureExtractor::Module {
  torch::jit::Module script;
  torch::jit::Kwargs arguments;

  explicit Module(const std::string& file) : script(loaded(file)) {
    const auto forward = script.find_method("forward");
    if (!forward)
      throw Error(ExitCode::usage, fmt::format("the feature extractor {} has no method forward", file));
    if (forward->function().getSchema().argumentIndexWithName("return_features"))
      arguments.emplace("return_features", true);
  }

  c10::IValue forward(const at::Tensor& images) {
    const torch::jit::GraphOptimizerEnabledGuard without_optimizer(false);
    return script.forward({images}, arguments);
  }

  // The result as a tensor [images, F].
  static at::Tensor checked(const c10::IValue& result, std::int64_t images, const std::string& file) {
    std::string found;
    if (!result.isTensor() || !result.toTensor().defined())
      found = "a value of type " + result.tagKind();
    else if (const at::Tensor& t = result.toTensor(); t.layout() != at::kStrided || !t.device().is_cpu())
      found = fmt::format("a {} tensor on the device {}", c10::str(t.layout()), t.device().str());
    else if (t.dim() != 2 || t.size(0) != images || t.size(1) < 1 || t.size(1) > kMostFeatures ||
             !t.is_floating_point())
      found = fmt::format("{} [{}]", c10::toString(t.scalar_type()), fmt::join(t.sizes(), ", "));
    else
      return t;
    throw Error(ExitCode::usage,
                fmt::format("the feature extractor {} returns {} for {} images; it has to return features "
                            "[{}, F] of a floating-point type in a dense tensor on the CPU, F at most {}",
                            file, found, images, images, kMostFeatures));
  }
};

FeatureExtractor::FeatureExtractor(const std::string& file, std::int64_t channels, std::int64_t height,
                                   std::int64_t width)
    : file_(file),
      digest_(digest_of(file)),
      channels_(channels),
      height_(height),
      width_(width),
      module_(std::make_unique<Module>(file)) {
  probe();
}

FeatureExtractor::~FeatureExtractor() = default;

void FeatureExtractor::probe() {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "features");
  const at::Tensor black = at::zeros({kProbed, channels_, height_, width_}, at::kByte);
  std::string refusals;
  for (const bool resize : {false, true})
    for (const bool repeat : {false, true}) {
      if ((repeat && channels_ != 1) || (resize && height_ == kSide && width_ == kSide)) continue;
      resize_ = resize ? kResized : "none";
      repeat_channel_ = repeat;
      const at::Tensor images = prepared(black);
      c10::IValue result;
      try {
        result = module_->forward(images);
      } catch (const std::exception& error) {
        refusals += fmt::format("\n  [{}]: {}", fmt::join(images.sizes(), ", "), reason_of(error));
        continue;
      }
      dimension_ = Module::checked(result, kProbed, file_).size(1);
      return;
    }
  throw Error(
      ExitCode::usage,
      fmt::format("the feature extractor {} fails on black uint8 images [N, C, H, W]:{}", file_, refusals));
}

at::Tensor FeatureExtractor::prepared(const at::Tensor& images) const {
  const at::Tensor resized = resize_ == kResized ? resize_bicubic(images, kSide, kSide) : images;
  return repeat_channel_ ? resized.repeat({1, 3, 1, 1}) : resized;
}

at::Tensor FeatureExtractor::features(const at::Tensor& images) {
  check_images(images, "FeatureExtractor");
  if (images.size(1) != channels_ || images.size(2) != height_ || images.size(3) != width_)
    throw Error(ExitCode::internal,
                fmt::format("the feature extractor was made for images [N, {}, {}, {}], not [{}]", channels_,
                            height_, width_, fmt::join(images.sizes(), ", ")));
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "features");
  const std::int64_t bytes =
      (repeat_channel_ ? 3 : channels_) * (resize_ == kResized ? kSide * kSide : height_ * width_);
  const std::int64_t at_once = std::clamp<std::int64_t>(kMostPixelBytes / bytes, 1, kMostImages),
                     count = images.size(0);
  at::Tensor features = at::empty({count, dimension_}, at::kFloat);
  for (std::int64_t first = 0; first < count; first += at_once) {
    const std::int64_t n = std::min(at_once, count - first);
    try {
      const c10::IValue result = module_->forward(prepared(images.narrow(0, first, n).contiguous()));
      const at::Tensor rows = Module::checked(result, n, file_);
      if (rows.size(1) != dimension_)
        throw Error(ExitCode::usage,
                    fmt::format("the feature extractor {} returned {} features an image before, and now "
                                "{}; the number has to be the same",
                                file_, dimension_, rows.size(1)));
      features.narrow(0, first, n).copy_(rows);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw Error(ExitCode::usage, fmt::format("the feature extractor {} fails on images {} to {}: {}", file_,
                                               first, first + n - 1, reason_of(error)));
    }
  }
  return features;
}

std::optional<std::vector<std::int64_t>> feature_extractor_blocks(const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return std::nullopt;
  std::vector<std::int64_t> bytes;
  try {
    caffe2::serialize::PyTorchStreamReader archive(file);
    for (const std::string& record : archive.getAllRecords())
      if (record.starts_with("data/") || record.starts_with("constants/") || record.ends_with(".debug_pkl"))
        bytes.push_back(static_cast<std::int64_t>(archive.getRecordSize(record)));
  } catch (const std::exception& error) {
    refuse(file, error);
  }
  return bytes;
}

}  // namespace ebb::evaluate

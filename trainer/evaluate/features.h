// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ebb::evaluate {

// Of the blocks of a module in the ledger.
inline constexpr const char* kExtractorOwner = "feature extractor";

// Features that a module may return for an image. Inception v3 returns 2048.
inline constexpr std::int64_t kMostFeatures = 65536;

// Computes features of images by a TorchScript module in a file, for feature_distances.h. The module maps
// images [N, C, H, W] uint8 to features [N, F] of a floating-point type, F at most kMostFeatures. It runs on
// the CPU, in evaluation mode, without gradients and without the optimizer of TorchScript: the first calls
// then compute the same as later ones. If its forward has an argument `return_features`, it is called with
// return_features=True, as the published Inception v3 of the FID (inception-2015-12-05.pt) needs it.
// TorchScript code cannot open network connections.
//
// The constructor passes two black images of [channels, height, width] to the module. If it fails on them,
// the constructor tries grey images as three equal channels, then images resized to 299 x 299 (resize.h),
// then both. The first form that the module accepts is used for all images. The module is trusted like a
// program: it can crash the process or take all of its memory.
class FeatureExtractor {
 public:
  // Error(usage) if `file` is missing, is not TorchScript, or holds a pickled Python object (torch.save).
  // Also if the module refuses all these images, or returns anything but features as above.
  FeatureExtractor(const std::string& file, std::int64_t channels, std::int64_t height, std::int64_t width);
  ~FeatureExtractor();
  FeatureExtractor(const FeatureExtractor&) = delete;
  FeatureExtractor& operator=(const FeatureExtractor&) = delete;

  // images [N, channels, height, width] uint8 on the CPU, N at least 1. Returns [N, F] fp32. The module gets
  // at most 64 images at once, and at most 8 MiB of pixels. Error(usage) if it fails or returns another
  // shape. Only one thread at a time may call it.
  [[nodiscard]] at::Tensor features(const at::Tensor& images);

  [[nodiscard]] std::int64_t dimension() const { return dimension_; }  // F
  [[nodiscard]] const std::string& resize() const { return resize_; }  // "none" or "bicubic 299x299"
  [[nodiscard]] const std::string& digest() const { return digest_; }  // SHA-256 of the file, in hex

 private:
  struct Module;
  // Sets resize_, repeat_channel_ and dimension_.
  void probe();
  [[nodiscard]] at::Tensor prepared(const at::Tensor& images) const;

  std::string file_, digest_, resize_ = "none";
  std::int64_t channels_, height_, width_;  // of the images given
  std::int64_t dimension_ = 0;
  bool repeat_channel_ = false;
  std::unique_ptr<Module> module_;
};

// The bytes of each block that the TorchScript module in `file` holds, from the file's list of contents: its
// tensors, and the origins of its code. Nothing if there is no such file. Error(usage) as of
// FeatureExtractor.
std::optional<std::vector<std::int64_t>> feature_extractor_blocks(const std::string& file);

}  // namespace ebb::evaluate

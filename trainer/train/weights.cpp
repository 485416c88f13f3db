// SPDX-License-Identifier: Apache-2.0
#include "train/weights.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/shell.h"
#include "memory/ledger.h"

namespace ebb::train {

namespace {

namespace fs = std::filesystem;
using checkpoint::SafetensorsFile;
using models::HubTensor;

nlohmann::json read_json(const fs::path& path) {
  const std::string text = read_file(path, ExitCode::usage);
  try {
    return parse_json(text);
  } catch (const JsonError& error) {
    throw Error(ExitCode::usage, fmt::format("{} is not JSON: {}", path.string(), error.what()));
  }
}

constexpr double kLargestFp16 = 65504;

std::string shape_text(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// Returns the family that reads config.json of `folder`.
const models::Family& family_of(const nlohmann::json& json, const models::Families& families) {
  const auto found = json.is_object() ? json.find("model_type") : json.end();
  const std::string type =
      json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>() : "";
  for (const models::Family& family : families) {
    if (!family.hub) continue;
    const std::vector<std::string> own = family.hub->model_types();
    if (std::ranges::find(own, type) != own.end()) return family;
  }
  throw Error(ExitCode::usage, fmt::format("config.json: model_type is \"{}\"; ebb reads {}", type,
                                           fmt::join(models::hub_model_types(families), " and ")));
}

}  // namespace

WeightFolder::WeightFolder(const fs::path& folder, const models::Families& families) : folder_(folder) {
  try {
    const auto json = read_json(folder / "config.json");
    family_ = family_of(json, families);
    config_ = family_.hub->read_config(json, folder);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("{}: {}", folder.string(), error.what()));
  }
  open_files();
}

void WeightFolder::open_files() {
  std::error_code ignored;
  if (fs::exists(folder_ / kWeightFile, ignored)) {
    open(folder_ / kWeightFile);
  } else if (fs::exists(folder_ / kWeightIndex, ignored)) {
    const auto index = read_json(folder_ / kWeightIndex);
    const auto map = index.is_object() ? index.find("weight_map") : index.end();
    if (!index.is_object() || map == index.end() || !map->is_object())
      throw Error(ExitCode::usage, fmt::format("{} has no weight_map", (folder_ / kWeightIndex).string()));
    std::set<std::string> names;
    for (const auto& [tensor, file] : map->items()) {
      // It must be a plain name: the index must not lead out of the folder.
      if (!file.is_string() || fs::path(file.get<std::string>()).filename() != file.get<std::string>())
        throw Error(ExitCode::usage, fmt::format("{}: {} is in {}, which is not a file of this folder",
                                                 (folder_ / kWeightIndex).string(), tensor, file.dump()));
      names.insert(file.get<std::string>());
    }
    for (const std::string& name : names) open(folder_ / name);
  } else {
    throw Error(ExitCode::usage, fmt::format("{} holds neither {} nor {}: ebb reads weights from safetensors",
                                             folder_.string(), kWeightFile, kWeightIndex));
  }
}

std::map<std::string, std::int64_t> WeightFolder::dtypes() const {
  std::map<std::string, std::int64_t> counts;
  for (const HubTensor& theirs : layout_.tensors)
    ++counts[std::string(checkpoint::dtype_name(find(theirs.name, nullptr)->dtype))];
  return counts;
}

void WeightFolder::open(const fs::path& file) {
  try {
    files_.emplace_back(file);
  } catch (const Error& error) {
    throw Error(ExitCode::usage, error.what());  // not Error(checkpoint): the folder is not ours
  }
  for (const auto& entry : files_.back().entries())
    if (!file_indices_.emplace(entry.name, files_.size() - 1).second)
      throw Error(ExitCode::usage,
                  fmt::format("{}: the tensor {} is in two files", folder_.string(), entry.name));
}

const checkpoint::TensorEntry* WeightFolder::find(const std::string& name,
                                                  const SafetensorsFile** file) const {
  const std::string_view theirs =
      name.starts_with(prefix_) ? std::string_view(name).substr(prefix_.size()) : std::string_view(name);
  const auto found = file_indices_.find(std::string(theirs));
  if (found == file_indices_.end()) return nullptr;
  if (file != nullptr) *file = &files_[found->second];
  return files_[found->second].find(theirs);
}

void WeightFolder::require(const models::FamilyConfig& config, std::int64_t data_context, bool is_own) {
  std::string lines;
  std::set<std::string> known;
  const std::string theirs = family_.hub->model_type(*config_), ours = family_.hub->model_type(config);
  if (theirs != ours)
    lines += fmt::format("\n  the folder holds a {}, and the configuration describes a {}", theirs, ours);
  // Before the layout, which takes memory for each layer.
  if (const std::int64_t layers = family_.hub->layers(config); layers > std::ssize(file_indices_))
    throw Error(
        ExitCode::usage,
        fmt::format(
            "the weights in {} cannot be those of a model of {} layers: the folder holds {} tensors{}",
            folder_.string(), layers, file_indices_.size(), lines));
  layout_ = family_.hub->layout(config, data_context);
  const std::string& prefix = layout_.optional_prefix;
  const auto has_prefix = [&](const auto& item) { return item.first.starts_with(prefix); };
  prefix_ = std::ranges::any_of(file_indices_, has_prefix) ? "" : prefix;
  for (const HubTensor& wanted : layout_.tensors) {
    known.insert(wanted.name);
    const auto* entry = find(wanted.name, nullptr);
    if (entry == nullptr) {
      lines += fmt::format("\n  {} {} is not in the folder", wanted.name, shape_text(wanted.shape));
    } else if (entry->shape != wanted.shape) {
      lines += fmt::format("\n  {} is {} in the folder, {} in the model", wanted.name,
                           shape_text(entry->shape), shape_text(wanted.shape));
    } else if (!c10::isFloatingType(entry->dtype)) {
      lines += fmt::format("\n  {} has type {} in the folder; allowed: F16, BF16, F32, F64", wanted.name,
                           checkpoint::dtype_name(entry->dtype));
    }
  }
  for (const auto& [name, _] : file_indices_)
    if (!known.contains(prefix_ + name) && !known.contains(name) && !layout_.may_hold(name))
      lines += fmt::format("\n  {} {} is in the folder, but not in the model", name,
                           shape_text(find(prefix_ + name, nullptr)->shape));
  if (lines.empty()) return;
  if (is_own)
    throw Error(ExitCode::usage, fmt::format("the weights in {} are not those of its config.json:{}",
                                             folder_.string(), lines));
  throw Error(ExitCode::usage, fmt::format("the weights in {} do not fit the configuration:{}\n  "
                                           "`ebb import {} -o FILE.yaml` writes a configuration that fits",
                                           folder_.string(), lines, shell_quoted(folder_.string())));
}

bool WeightFolder::Extreme::fits_fp16() const {
  return magnitude <= kLargestFp16;
}

at::Tensor WeightFolder::values_of(const HubTensor& theirs, double& magnitude) const {
  const SafetensorsFile* file = nullptr;
  const auto* entry = find(theirs.name, &file);
  at::Tensor values = at::empty(entry->shape, at::TensorOptions().dtype(entry->dtype));
  file->read(*entry, values);
  magnitude = 0;
  if (values.numel() == 0) return values;
  const auto [least, most] = at::aminmax(values);
  const double low = least.item<double>(), high = most.item<double>();
  magnitude = std::max(std::abs(low), std::abs(high));
  if (std::isfinite(low) && std::isfinite(high) && magnitude <= std::numeric_limits<float>::max())
    return values;
  if (std::isfinite(low) && std::isfinite(high))
    throw Error(ExitCode::usage,
                fmt::format("{}: {} has the value {}, which is too large for fp32", folder_.string(),
                            theirs.name, std::abs(low) > std::abs(high) ? low : high));
  throw Error(ExitCode::usage,
              fmt::format("{}: {} has the value {}: weights must be finite in fp32, and those of a run that "
                          "diverged are of no use",
                          folder_.string(), theirs.name, std::isfinite(low) ? high : low));
}

// `transformers` does not tie such tensors, whatever config.json says.
void WeightFolder::require_copies(const HubTensor& original, const at::Tensor& values) const {
  for (const models::HubLayout::Copy& copy : layout_.copies) {
    const SafetensorsFile* file = nullptr;
    const auto* entry = copy.of == original.name ? find(copy.name, &file) : nullptr;
    if (entry == nullptr) continue;
    bool is_equal = entry->shape == values.sizes() && c10::isFloatingType(entry->dtype);
    if (is_equal) {
      at::Tensor other = at::empty(entry->shape, at::TensorOptions().dtype(entry->dtype));
      file->read(*entry, other);
      // The type that holds both: neither is rounded before the comparison.
      const at::ScalarType wider = at::promote_types(other.scalar_type(), values.scalar_type());
      is_equal = at::equal(other.to(wider), values.to(wider));
    }
    if (!is_equal)
      throw Error(ExitCode::usage,
                  fmt::format("{}: {} has other values than {}, although tie_word_embeddings in config.json "
                              "makes them one tensor: set it to false there to use both, or remove {}",
                              folder_.string(), copy.name, copy.of, copy.name));
  }
}

void WeightFolder::read(const std::string& ours, const at::Tensor& into, numerics::Dtype held_in) const {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "imported weights");
  for (const HubTensor& theirs : layout_.tensors) {
    if (theirs.ours != ours) continue;
    Extreme extreme{theirs.name};
    const at::Tensor values = values_of(theirs, extreme.magnitude);
    require_copies(theirs, values);
    if (held_in == numerics::Dtype::fp16 && !extreme.fits_fp16())
      throw Error(ExitCode::usage,
                  fmt::format("{}: {} has a value of magnitude {:g}, above {:g}, the largest of fp16: set "
                              "precision.dtype to bf16 or fp32",
                              folder_.string(), theirs.name, extreme.magnitude, kLargestFp16));
    const at::Tensor turned = theirs.transposed ? values.t() : values;
    into.narrow(0, theirs.first, turned.size(0)).copy_(turned);
  }
}

WeightFolder::Extreme WeightFolder::extreme() const {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "imported weights");
  Extreme all;
  for (const HubTensor& theirs : layout_.tensors) {
    double magnitude = 0;
    require_copies(theirs, values_of(theirs, magnitude));
    if (all.tensor.empty() || magnitude > all.magnitude) all = {theirs.name, magnitude};
  }
  return all;
}

}  // namespace ebb::train

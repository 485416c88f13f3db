// SPDX-License-Identifier: Apache-2.0
#include "train/weight_export.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/version.h"
#include "checkpoint/safetensors.h"
#include "config/document.h"
#include "data/tokenizer.h"
#include "train/weights.h"

namespace ebb::train {

namespace {

namespace fs = std::filesystem;

// The contents of a folder. The tensors share memory with the model.
struct Contents {
  nlohmann::json config;
  checkpoint::NamedTensors tensors;
};

Contents in_hub_layout(const LoadedModel& loaded, const models::HubFormat& hub) {
  const Config& run = loaded.config;
  Contents out;
  out.config = hub.write_config(run.model.chosen(), run.data.context, run.precision.dtype);
  config::require_known(run.references, "data.tokenizer");
  if (const auto end = data::make_tokenizer(run.data.tokenizer)->end_of_document())
    out.config["eos_token_id"] = *end;
  const auto ours = loaded.model->state().tensors;
  for (const models::HubTensor& theirs : hub.layout(run.model.chosen(), run.data.context).tensors) {
    const at::Tensor tensor = ours.at(theirs.ours).detach();
    out.tensors.emplace_back(
        theirs.name, theirs.transposed ? tensor.t() : tensor.narrow(0, theirs.first, theirs.shape[0]));
  }
  return out;
}

template <class S>
nlohmann::json values_of(S& section) {
  config::Section keys;
  section.describe(keys);
  return config::json_values(keys);
}

Contents in_own_layout(const LoadedModel& loaded) {
  const auto model = loaded.config.model.chosen().clone();  // describe() is not const
  numerics::PrecisionConfig precision = loaded.config.precision;
  const core::State state = loaded.model->state();
  Contents out;
  out.config = {{"model_type", "ebb_" + loaded.config.model.family().name},
                {"ebb_version", version()},
                {"dtype", values_of(precision).at("dtype")},
                {"sample", state.values.at("sample")},
                {"model", values_of(*model)}};
  for (const auto& [name, tensor] : state.tensors) out.tensors.emplace_back(name, tensor.detach());
  return out;
}

// Splits the tensors, in their order, into files of at most `max_file_bytes`, or of one larger tensor.
std::vector<checkpoint::NamedTensors> split(const checkpoint::NamedTensors& tensors,
                                            std::int64_t max_file_bytes) {
  std::vector<checkpoint::NamedTensors> files(1);
  std::int64_t in_file = 0;
  for (const auto& named : tensors) {
    const auto bytes = static_cast<std::int64_t>(named.second.nbytes());
    if (in_file > 0 && in_file + bytes > max_file_bytes) {
      files.emplace_back();
      in_file = 0;
    }
    files.back().push_back(named);
    in_file += bytes;
  }
  return files;
}

// A value beyond the dtype of the run is infinite in it.
void require_finite(const checkpoint::NamedTensors& tensors) {
  for (const auto& [name, values] : tensors) {
    if (values.numel() == 0) continue;
    const auto [least, most] = at::aminmax(values);
    for (const double value : {least.item<double>(), most.item<double>()})
      if (!std::isfinite(value))
        throw Error(ExitCode::usage,
                    fmt::format("export: the parameter {} has the value {} in {}, so the weights are of no "
                                "use: take an earlier checkpoint",
                                name, value, c10::toString(values.scalar_type())));
  }
}

}  // namespace

ExportResult export_weights(const LoadedModel& loaded, const fs::path& folder, std::int64_t max_file_bytes) {
  const auto& hub = loaded.config.model.family().hub;
  const Contents contents =
      hub && hub->has(loaded.config.model.chosen()) ? in_hub_layout(loaded, *hub) : in_own_layout(loaded);
  require_finite(contents.tensors);
  std::error_code ignored;
  if (fs::exists(folder, ignored) && (!fs::is_directory(folder, ignored) || !fs::is_empty(folder, ignored)))
    throw Error(ExitCode::usage,
                fmt::format("{} exists and is not an empty folder: give another -o", folder.string()));
  make_folders(folder);

  const std::vector<checkpoint::NamedTensors> files = split(contents.tensors, max_file_bytes);
  ExportResult result;
  result.files = static_cast<std::int64_t>(files.size());
  nlohmann::json map = nlohmann::json::object();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string name = files.size() == 1
                                 ? kWeightFile
                                 : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, files.size());
    checkpoint::write_safetensors(folder / name, files[i], {{"format", "pt"}});
    for (const auto& [tensor, values] : files[i]) {
      map[tensor] = name;
      result.bytes += static_cast<std::int64_t>(values.nbytes());
      ++result.tensors;
    }
  }
  if (files.size() > 1)
    write_file_atomically(
        folder / kWeightIndex,
        nlohmann::json{{"metadata", {{"total_size", result.bytes}}}, {"weight_map", map}}.dump(2) + "\n");
  write_file_atomically(folder / "config.json", contents.config.dump(2) + "\n");
  return result;
}

}  // namespace ebb::train

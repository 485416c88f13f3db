// SPDX-License-Identifier: Apache-2.0
#include "train/weight_export.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "data/tokenizer.h"
#include "train/weights.h"

namespace ebb::train {

namespace {

namespace fs = std::filesystem;
using models::HubTensor;

}  // namespace

ExportResult export_weights(const LoadedModel& loaded, const fs::path& folder, std::int64_t max_file_bytes) {
  const models::Family& family = loaded.config.model.family();
  const models::FamilyConfig& model = loaded.config.model.chosen();
  if (!family.hub) {
    std::vector<std::string> others;
    for (const models::Family& one : loaded.config.model.families())
      if (one.hub) others.push_back(one.name);
    throw Error(
        ExitCode::usage,
        fmt::format("{} has a model of the family {}, which `transformers` does not have; ebb exports {}",
                    loaded.config.run.name, family.name, fmt::join(others, " and ")));
  }
  const std::int64_t data_context = loaded.config.data.context;
  auto config = family.hub->write_config(model, data_context, loaded.config.precision.dtype);
  std::error_code ignored;
  if (fs::exists(folder, ignored) && (!fs::is_directory(folder, ignored) || !fs::is_empty(folder, ignored)))
    throw Error(ExitCode::usage,
                fmt::format("{} exists and is not an empty folder: give another -o", folder.string()));
  make_folders(folder);

  const auto ours = loaded.model->state().tensors;
  std::vector<checkpoint::NamedTensors> files(1);
  std::int64_t in_file = 0;
  ExportResult result;
  for (const HubTensor& theirs : family.hub->layout(model, data_context).tensors) {
    at::Tensor tensor = ours.at(theirs.ours).detach();
    tensor = theirs.transposed ? tensor.t() : tensor.narrow(0, theirs.first, theirs.shape[0]);
    const auto bytes = static_cast<std::int64_t>(tensor.numel() * tensor.element_size());
    if (in_file > 0 && in_file + bytes > max_file_bytes) {
      files.emplace_back();
      in_file = 0;
    }
    files.back().emplace_back(theirs.name, tensor);
    in_file += bytes;
    result.bytes += bytes;
    ++result.tensors;
  }
  result.files = static_cast<std::int64_t>(files.size());
  nlohmann::json map = nlohmann::json::object();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string name =
        files.size() == 1 ? kWeightFile : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, files.size());
    checkpoint::write_safetensors(folder / name, files[i], {{"format", "pt"}});
    for (const auto& [tensor, _] : files[i]) map[tensor] = name;
  }
  if (files.size() > 1)
    write_file_atomically(
        folder / kWeightIndex,
        nlohmann::json{{"metadata", {{"total_size", result.bytes}}}, {"weight_map", map}}.dump(2) + "\n");
  if (const auto end = data::make_tokenizer(loaded.config.data.tokenizer)->end_of_document())
    config["eos_token_id"] = *end;
  write_file_atomically(folder / "config.json", config.dump(2) + "\n");
  return result;
}

}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
#include "cli/plan_notes.h"

#include <fmt/format.h>

#include <numeric>

#include "base/units.h"

namespace ebb::cli {
namespace {

std::int64_t sum_of(const std::vector<std::int64_t>& blocks) {
  return std::accumulate(blocks.begin(), blocks.end(), std::int64_t{0});
}

}  // namespace

std::string isa_note(const PlanFigures& figures) {
  const numerics::InstructionSet best = numerics::best_instruction_set();
  if (figures.on_gpu || figures.isa == best) return "";
  return fmt::format("workspace: of kernels for {}; here they are for {}", numerics::name(figures.isa),
                     numerics::name(best));
}

std::string features_note(const PlanFigures& figures) {
  if (!figures.features) return "";
  const auto& [file, blocks] = *figures.features;
  if (!blocks) return fmt::format("module and activations not counted, the file is not here: {}", file);
  return fmt::format("module counted ({}), activations not known: {}", format_bytes(sum_of(*blocks)), file);
}

nlohmann::ordered_json features_json(const PlanFigures::Features& features) {
  nlohmann::ordered_json json = {{"file", features.file}, {"module", nullptr}, {"activations", nullptr}};
  if (features.blocks) json["module"] = sum_of(*features.blocks);
  return json;
}

}  // namespace ebb::cli

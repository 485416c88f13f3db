// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace ebb::memory {

// The purpose of a byte. Every tensor and every Buffer belongs to exactly one class.
enum class Class : std::uint8_t {
  parameters,
  gradients,
  optimizer,
  activations,
  communication,
  workspace,
  data,
  checkpoint
};
inline constexpr int kClasses = 8;
inline constexpr std::array<std::string_view, kClasses> kClassNames = {
    "parameters",    "gradients", "optimizer", "activations",
    "communication", "workspace", "data",      "checkpoint"};

// The activity of a rank in a step. A core::Phase is something else: a part of a step with its own loss.
enum class Stage : std::uint8_t { setup, load, forward, backward, reduce, update, save, evaluate };
inline constexpr int kStages = 8;
inline constexpr std::array<std::string_view, kStages> kStageNames = {
    "setup", "load", "forward", "backward", "reduce", "update", "save", "evaluate"};

using StageSeconds = std::array<double, kStages>;  // a time for each stage

inline std::string_view name(Class c) {
  return kClassNames[static_cast<std::size_t>(c)];
}
inline std::string_view name(Stage s) {
  return kStageNames[static_cast<std::size_t>(s)];
}

}  // namespace ebb::memory

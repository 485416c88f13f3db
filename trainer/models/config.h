// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"
#include "models/family.h"

namespace ebb::models {

// The `model` section: the chosen family, and the keys of all of them.
class ModelConfig {
 public:
  explicit ModelConfig(const Families& families);  // at least one; the first is chosen
  ModelConfig(const ModelConfig& other);
  ModelConfig& operator=(const ModelConfig& other);
  ModelConfig(ModelConfig&&) noexcept = default;
  ModelConfig& operator=(ModelConfig&&) noexcept = default;

  // `s` then refers to this object, as all sections do.
  void describe(config::Section& s);
  // The rules of all families. The rules of a family that is not chosen always pass.
  [[nodiscard]] std::vector<FamilyRule> rules() const;

  // The text of an error if the chosen family reads a field that is not in `brought`, the fields of the
  // samples. Empty if there is none.
  [[nodiscard]] std::string missing_fields(const std::vector<std::string>& brought) const;

  // The fields of a batch that the chosen family reads.
  [[nodiscard]] std::vector<std::string> fields() const;
  [[nodiscard]] const Families& families() const { return families_; }
  [[nodiscard]] const Family& family() const { return families_[chosen_]; }
  [[nodiscard]] const FamilyConfig& chosen() const { return *configs_[chosen_]; }
  [[nodiscard]] FamilyConfig& chosen() { return *configs_[chosen_]; }

  // Chooses the family of this name, as model.kind does, and returns its keys. Error(usage) if there is none.
  FamilyConfig& choose(std::string_view name);
  // The same with other values.
  void choose(std::string_view name, std::unique_ptr<FamilyConfig> config);

 private:
  Families families_;
  std::vector<std::unique_ptr<FamilyConfig>> configs_;  // in the order of families_
  std::size_t chosen_ = 0;
};

}  // namespace ebb::models

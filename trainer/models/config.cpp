// SPDX-License-Identifier: Apache-2.0
#include "models/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace ebb::models {

bool HubLayout::may_hold(std::string_view name) const {
  return std::ranges::find(copies, name, &Copy::name) != copies.end() ||
         std::ranges::any_of(ignored_suffixes, [&](const std::string& end) { return name.ends_with(end); });
}

std::vector<std::string> hub_model_types(const Families& families) {
  std::vector<std::string> all;
  for (const Family& family : families)
    if (family.hub)
      for (std::string& type : family.hub->model_types()) all.push_back(std::move(type));
  return all;
}

ModelConfig::ModelConfig(const Families& families) : families_(families) {
  if (families_.empty()) throw Error(ExitCode::internal, "there is no family of models");
  for (const Family& family : families_) configs_.push_back(family.new_config());
}

ModelConfig::ModelConfig(const ModelConfig& other) : families_(other.families_), chosen_(other.chosen_) {
  for (const auto& config : other.configs_) configs_.push_back(config->clone());
}

ModelConfig& ModelConfig::operator=(const ModelConfig& other) {
  return *this = ModelConfig(other);
}

void ModelConfig::describe(config::Section& s) {
  std::vector<std::pair<std::string, std::size_t>> words;
  std::string doc = "The family of the model.";
  for (std::size_t i = 0; i < families_.size(); ++i) {
    words.emplace_back(families_[i].name, i);
    std::vector<std::string> files;
    for (const SampleFile& file : families_[i].texts.sample_files) files.push_back(file.name);
    doc += fmt::format(" {}: {}{}{}.", families_[i].name, families_[i].doc,
                       files.empty() ? "" : "; it writes the samples ", fmt::join(files, " and "));
  }
  s.choice("kind", chosen_, std::move(words)).doc(doc).shapes_state();
  for (std::size_t i = 0; i < families_.size(); ++i)
    s.only_where(
        "model.kind is " + families_[i].name, [this, i] { return chosen_ == i; },
        [this, i](config::Section& keys) { configs_[i]->describe(keys); });
}

std::vector<FamilyRule> ModelConfig::rules() const {
  std::vector<FamilyRule> all;
  for (std::size_t i = 0; i < families_.size(); ++i)
    for (FamilyRule& rule : configs_[i]->rules())
      all.push_back({std::move(rule.keys),
                     [this, i, problem = std::move(rule.problem)](const RunFacts& facts) -> std::string {
                       return chosen_ == i ? problem(facts) : "";
                     }});
  return all;
}

std::vector<std::string> ModelConfig::fields() const {
  std::vector<std::string> all = family().reads;
  for (std::string& field : chosen().further_fields()) all.push_back(std::move(field));
  return all;
}

std::string ModelConfig::missing_fields(const std::vector<std::string>& brought) const {
  const auto is_there = [&](const std::string& field) {
    return std::ranges::find(brought, field) != brought.end();
  };
  const auto fits = [&](const Family& one) { return std::ranges::all_of(one.reads, is_there); };
  const std::vector<std::string> needed = fields();
  if (std::ranges::all_of(needed, is_there)) return "";
  std::vector<std::string> others;
  for (const Family& one : families_)
    if (&one != &family() && fits(one)) others.push_back("model.kind=" + one.name);
  return fmt::format(
      "{} trains on the field {}, but the data provides {}: set data.format and data.source to "
      "data that has it{}{}",
      family().name, fmt::join(needed, " and "), fmt::join(brought, ", "), others.empty() ? "" : ", or ",
      fmt::join(others, " or "));
}

FamilyConfig& ModelConfig::choose(std::string_view name) {
  const auto found = std::ranges::find(families_, name, &Family::name);
  if (found == families_.end())
    throw Error(ExitCode::usage, fmt::format("there is no family of models named {}", name));
  chosen_ = static_cast<std::size_t>(found - families_.begin());
  return chosen();
}

void ModelConfig::choose(std::string_view name, std::unique_ptr<FamilyConfig> config) {
  (void)choose(name);
  configs_[chosen_] = std::move(config);
}

}  // namespace ebb::models

// SPDX-License-Identifier: Apache-2.0
#include "models/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ebb::models {
namespace {

// Two units of one parameter each.
class TwoUnits final : public Model, private core::Phase {
 public:
  TwoUnits(const std::string& first, const std::string& second)
      : Model({}), first_{"first", {parameter(first)}}, second_{"second", {parameter(second)}} {}
  std::vector<core::Phase*> phases() override { return {this}; }
  void write_samples(SampleSource&, SampleSink&, core::UnitRunner&) override {}

 private:
  static core::Parameter parameter(const std::string& name) { return {name, at::zeros({2}), true, {}}; }
  [[nodiscard]] const std::string& name() const override { return name_; }
  std::vector<core::Unit*> units() override { return {&first_, &second_}; }
  core::Loss forward(const core::Batch&, core::UnitRunner&) override { return {}; }

  std::string name_ = "two";
  core::Unit first_, second_;
};

TEST(ModelState, HoldsEachParameterByName) {
  EXPECT_EQ(TwoUnits("a", "b").state().tensors.size(), 2U);
}

struct NoKeys {
  void describe(config::Section&) {}
};

std::unique_ptr<Model> made_by_its_family(const std::string& first, const std::string& second) {
  Family family;
  family.name = "two";
  family.new_config = [] { return std::make_unique<FamilyConfigOf<NoKeys>>(); };
  family.make_model = [=](const FamilyConfig&, const ModelInputs&) {
    return std::make_unique<TwoUnits>(first, second);
  };
  return make_model(ModelConfig(Families{family}), {}, numerics::Dtype::fp32, at::kCPU, 1);
}

TEST(MakeModel, CountsTheParametersOfAllUnits) {
  EXPECT_EQ(parameter_count(*made_by_its_family("a", "b")), 4);
}

TEST(MakeModel, TwoParametersOfOneNameAreRefused) {
  try {
    (void)made_by_its_family("weight", "weight");
    FAIL() << "a checkpoint would lack one of the two";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_THAT(error.what(), testing::HasSubstr("the name weight"));
  }
}

}  // namespace
}  // namespace ebb::models

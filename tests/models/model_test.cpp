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

TEST(ModelState, TwoParametersOfOneNameAreRefused) {
  TwoUnits model("weight", "weight");
  try {
    (void)model.state();
    FAIL() << "one of the two is left out";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_THAT(error.what(), testing::HasSubstr("the name weight"));
  }
}

}  // namespace
}  // namespace ebb::models

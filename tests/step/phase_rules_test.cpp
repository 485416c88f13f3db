// SPDX-License-Identifier: Apache-2.0
#include "step/phase_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "base/error.h"

namespace ebb::step {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ListedPhase final : public core::Phase {
 public:
  ListedPhase(std::string name, std::string trainee, std::vector<core::Unit*> units)
      : name_(std::move(name)), units_(std::move(units)) {
    plan_.trainee = std::move(trainee);
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] core::PhasePlan plan() const override { return plan_; }
  std::vector<core::Unit*> units() override { return units_; }
  core::Loss forward(const core::Batch&, core::UnitRunner&) override { return {}; }
  void set_repeats(std::int64_t repeats) { plan_.repeats = repeats; }

 private:
  std::string name_;
  core::PhasePlan plan_;
  std::vector<core::Unit*> units_;
};

// The text of the error; empty: the phases are accepted.
std::string refusal(const std::vector<core::Phase*>& phases, const std::vector<std::string>& declared) {
  try {
    check_phases(phases, declared);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    return error.what();
  }
  return "";
}

class PhaseRulesTest : public testing::Test {
 protected:
  core::Unit encoder{"encoder", {}}, decoder{"decoder", {}}, critic{"critic", {}};
};

TEST_F(PhaseRulesTest, OneTraineeNeedsNoName) {
  ListedPhase vae("vae", "", {&encoder, &decoder}), named("vae", "model", {&encoder});
  EXPECT_EQ(refusal({&vae}, {"model"}), "");
  EXPECT_EQ(refusal({&named}, {"model"}), "");
}

TEST_F(PhaseRulesTest, TraineesWithUnitsOfTheirOwnAreAccepted) {
  ListedPhase first("first", "a", {&encoder, &decoder}), second("second", "b", {&critic}),
      third("third", "a", {&decoder, &encoder});
  EXPECT_EQ(refusal({&first, &second, &third}, {"a", "b"}), "");
}

TEST_F(PhaseRulesTest, ATraineeThatIsNotDeclaredIsRefused) {
  ListedPhase first("first", "a", {&encoder}), second("second", "c", {&critic});
  EXPECT_THAT(refusal({&first, &second}, {"a", "b"}), AllOf(HasSubstr("second"), HasSubstr("`c`")));
}

TEST_F(PhaseRulesTest, ADeclaredTraineeWithoutAPhaseIsRefused) {
  ListedPhase first("first", "a", {&encoder});
  EXPECT_THAT(refusal({&first}, {"a", "b"}), HasSubstr("no phase trains `b`"));
  EXPECT_THAT(refusal({}, {"model"}), HasSubstr("no phase trains `model`"));
}

TEST_F(PhaseRulesTest, APhaseThatNeverRunsIsRefused) {
  ListedPhase phase("vae", "", {&encoder});
  phase.set_repeats(0);
  EXPECT_THAT(refusal({&phase}, {"model"}), HasSubstr("phase vae runs 0 times"));
}

TEST_F(PhaseRulesTest, AUnitThatIsListedTwiceIsRefused) {
  ListedPhase phase("vae", "", {&encoder, &decoder, &encoder});
  EXPECT_THAT(refusal({&phase}, {"model"}), HasSubstr("phase vae lists unit encoder twice"));
}

TEST_F(PhaseRulesTest, PhasesOfOneTraineeWithDifferentUnitsAreRefused) {
  ListedPhase first("first", "a", {&encoder, &decoder}), second("second", "a", {&encoder}),
      third("third", "b", {&critic});
  EXPECT_THAT(refusal({&first, &third, &second}, {"a", "b"}),
              AllOf(HasSubstr("first and second"), HasSubstr("different units")));
}

TEST_F(PhaseRulesTest, AUnitOfTwoTraineesIsRefused) {
  ListedPhase first("first", "a", {&encoder, &critic}), second("second", "b", {&critic});
  EXPECT_THAT(refusal({&first, &second}, {"a", "b"}), AllOf(HasSubstr("unit critic"), HasSubstr("second")));
}

}  // namespace
}  // namespace ebb::step

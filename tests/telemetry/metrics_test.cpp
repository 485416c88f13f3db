// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/folder_test.h"

namespace ebb::telemetry {
namespace {

class MetricsTest : public test::FolderTest {
 protected:
  [[nodiscard]] std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> all;
    std::istringstream in(contents("metrics.jsonl"));
    for (std::string line; std::getline(in, line);) all.push_back(nlohmann::json::parse(line));
    return all;
  }
  static StepMetrics at_step(std::int64_t step) {
    StepMetrics m;
    m.step = step;
    m.phases.resize(1);
    return m;
  }
};

TEST_F(MetricsTest, EveryFieldOfAStepIsInItsLine) {
  StepMetrics m = at_step(3);
  m.epoch = 0.25;
  m.time_s = 1.5e9;
  m.phases[0].loss = 1.5;
  m.phases[0].terms = {{"reconstruction", 1.25}, {"kl", 0.25}};
  m.phases[0].lr = 1e-3;
  m.phases[0].scale = 65536;
  m.phases[0].grad_norm = 2.5;
  m.samples_per_s = 1000;
  m.seconds[static_cast<std::size_t>(memory::Stage::backward)] = 0.5;
  m.rank_seconds.resize(2);
  m.rank_seconds[1][static_cast<std::size_t>(memory::Stage::backward)] = 0.75000004;
  m.straggler = Straggler{1, memory::Stage::backward, 0.25, 1.0};
  m.phases[0].reduction_s = 0.5;
  m.phases[0].reduction_waited_s = 0.125;
  m.unit = {"tokens", 64};
  m.mfu = 0.5;
  m.matrix_rate = 2e11;
  m.peak_bytes = 1 << 20;
  Metrics(folder_, 0).write(m);
  const nlohmann::json expected = {{"step", 3},
                                   {"epoch", 0.25},
                                   {"time_s", 1.5e9},
                                   {"loss", 1.5},
                                   {"terms", {{"reconstruction", 1.25}, {"kl", 0.25}}},
                                   {"lr", 1e-3},
                                   {"scale", 65536.0},
                                   {"skipped", false},
                                   {"grad_norm", 2.5},
                                   {"samples_per_s", 1000.0},
                                   {"tokens_per_s", 64000.0},
                                   {"mfu", 0.5},
                                   {"matrix_rate", 2e11},
                                   {"reduction", {{"s", 0.5}, {"hidden", 0.75}}},
                                   {"seconds", {{"backward", 0.5}}},
                                   {"ranks", {{"backward", {0.0, 0.75}}}},
                                   {"straggler", {{"rank", 1}, {"stage", "backward"}, {"delay_s", 0.25}}},
                                   {"peak_bytes", 1 << 20}};
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0], expected);
}

TEST_F(MetricsTest, LossesComeBackToTheBit) {
  const std::vector<double> losses = {0.1,
                                      1.0 / 3.0,
                                      std::nextafter(1.0, 2.0),
                                      5e-324,
                                      1.7976931348623157e308,
                                      240.00000000000003,
                                      static_cast<double>(0.1f)};
  {
    Metrics metrics(folder_, 0);
    for (const double loss : losses) {
      StepMetrics m = at_step(0);
      m.phases[0].loss = loss;
      metrics.write(m);
    }
  }
  const auto all = lines();
  ASSERT_EQ(all.size(), losses.size());
  for (std::size_t i = 0; i < losses.size(); ++i) EXPECT_EQ(all[i]["loss"].get<double>(), losses[i]);
}

TEST_F(MetricsTest, ASkippedStepNamesItsParameterAndTerms) {
  StepMetrics m = at_step(0);
  m.phases[0].skipped_runs = 1;
  m.phases[0].overflowed = "decoder.out.weight";
  m.phases[0].overflowed_by = {"r1", "r2"};
  m.phases[0].grad_norm = std::numeric_limits<double>::infinity();
  Metrics(folder_, 0).write(m);
  EXPECT_EQ(lines()[0]["overflowed"], "decoder.out.weight");
  EXPECT_EQ(lines()[0]["overflowed_by"], nlohmann::json::array({"r1", "r2"}));
  EXPECT_EQ(lines()[0]["skipped"], true);
  EXPECT_TRUE(lines()[0]["grad_norm"].is_null());
}

TEST_F(MetricsTest, ARunThatGoesOnWritesEachStepOnce) {
  {
    Metrics metrics(folder_, 0);
    for (std::int64_t step = 0; step < 5; ++step) metrics.write(at_step(step));
  }
  {
    Metrics metrics(folder_, 3);
    metrics.write_evaluation(3, {{"loss", 2.5}}, StepTimeSummary{2, 0.5, 0.75, {}});
    for (std::int64_t step = 3; step < 5; ++step) metrics.write(at_step(step));
  }
  std::vector<std::int64_t> steps;
  for (const auto& line : lines()) {
    if (!line.contains("eval")) steps.push_back(line["step"]);
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(
      lines()[3],
      (nlohmann::json{
          {"step", 3},
          {"eval", {{"loss", 2.5}}},
          {"steps", {{"count", 2}, {"p50_s", 0.5}, {"p95_s", 0.75}, {"share", nlohmann::json::object()}}}}));
}

TEST_F(MetricsTest, ChangesOfTheConfigurationStandBeforeTheStepTheyApplyTo) {
  {
    Metrics(folder_, 0).write(at_step(0));
  }
  for (int starts = 0; starts < 2; ++starts) {  // the second replaces what the first wrote
    Metrics metrics(folder_, 1);
    metrics.write_changes(1,
                          {{"optimizer.lr", "0.1", "0.2"}, {"model.new", "", "3"}, {"model.old", "4", ""}});
    metrics.write(at_step(1));
  }
  ASSERT_EQ(lines().size(), 3U);
  EXPECT_EQ(lines()[1], nlohmann::json::parse(R"({"step": 1, "changed": {
    "optimizer.lr": {"before": "0.1", "now": "0.2"},
    "model.new": {"before": null, "now": "3"},
    "model.old": {"before": "4", "now": null}}})"));
  EXPECT_EQ(lines()[2].at("step"), 1);
}

TEST_F(MetricsTest, AnOverflowIsWrittenWithItsLossScale) {
  StepMetrics m = at_step(0);
  m.phases.resize(2);
  m.phases[0].phase = "discriminator";
  m.phases[0].scale = 16;
  m.phases[1].phase = "generator";
  m.phases[1].scale = 4;
  {
    Metrics metrics(folder_, 0);
    metrics.write(m);
    m.step = 1;
    m.phases[1].skipped_runs = 1;
    m.phases[1].overflowed = "generator.weight";
    m.phases[1].overflowed_by = {"loss"};
    metrics.write(m);
  }
  const std::vector<nlohmann::json> all = lines();
  EXPECT_EQ(all[0].at("scale"), 16);
  EXPECT_EQ(all[1].at("scale"), 4);
  EXPECT_EQ(all[1].at("overflowed"), "generator.weight");
  EXPECT_EQ(all[1].at("overflowed_by"), nlohmann::json::array({"loss"}));
  EXPECT_FALSE(all[0].contains("overflowed_by"));
  EXPECT_EQ(all[1].at("phases").at("discriminator").at("scale"), 16);
  EXPECT_EQ(all[1].at("phases").at("generator").at("scale"), 4);
}

TEST_F(MetricsTest, EachOfSeveralPhasesHasAnObject) {
  StepMetrics m = at_step(0);
  m.phases.resize(2);
  m.phases[0].phase = "discriminator";
  m.phases[0].loss = 0.5;
  m.phases[0].runs = 2;
  m.phases[1].phase = "generator";
  m.phases[1].loss = 0.25;
  m.phases[1].runs = m.phases[1].skipped_runs = 1;
  m.phases[1].overflowed = "generator.weight";
  Metrics(folder_, 0).write(m);
  const nlohmann::json line = lines()[0];
  EXPECT_EQ(line.at("loss"), 0.5);
  EXPECT_EQ(line.at("skipped"), true);
  EXPECT_EQ(line.at("overflowed"), "generator.weight");
  EXPECT_EQ(line.at("phases").at("discriminator").at("runs"), 2);
  EXPECT_EQ(line.at("phases").at("discriminator").at("skipped_runs"), 0);
  EXPECT_FALSE(line.at("phases").at("discriminator").contains("overflowed"));
  EXPECT_EQ(line.at("phases").at("generator").at("loss"), 0.25);
  EXPECT_EQ(line.at("phases").at("generator").at("skipped_runs"), 1);
}

}  // namespace
}  // namespace ebb::telemetry

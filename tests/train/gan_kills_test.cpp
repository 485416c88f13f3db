// SPDX-License-Identifier: Apache-2.0
// A GAN that is killed at random moments, while all of its schedules run.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "train/gan_run.h"

namespace ebb::test {
namespace {

// The overrides of a run of `steps` steps. Each schedule ends with the last step. An adaptive probability of
// augmentation moves by at most 0.4 from its start, so it never stays at a limit.
std::vector<std::string> with_long_schedules(int steps, const std::string& architecture) {
  const std::string samples = std::to_string(steps * kBatch);
  return {"run.steps=" + std::to_string(steps),
          "run.evaluate_every=0",
          "run.sample_every=0",
          "checkpoint.every=4",
          "model.architecture=" + architecture,
          "model.discriminator_steps=2",
          "model.penalty.every=2",
          "model.penalty.schedule.samples=" + samples,
          "model.augment.schedule.curve=constant",
          "model.augment.probability=0.4",
          "model.augment.target=0.5",
          "model.augment.adjust_samples=" + std::to_string(5 * steps * kBatch),
          "optimizer.lr=0.0005",
          "optimizer.beta2_schedule.samples=" + samples,
          "generator.average.ramp.samples=" + samples};
}

// The objects `phases` of all steps in metrics.jsonl: losses, norms, scales and scheduled values.
std::vector<nlohmann::json> phases_of_steps(const std::string& run_folder) {
  std::vector<nlohmann::json> phases;
  for (const nlohmann::json& line : json_lines(run_folder + "/metrics.jsonl"))
    if (line.contains("phases")) phases.push_back(line.at("phases"));
  return phases;
}

// Expects that each scheduled value still changes in the last quarter of the run.
void expect_lasting_schedules(const std::vector<nlohmann::json>& steps) {
  std::map<std::string, std::set<double>> values;
  for (std::size_t i = steps.size() * 3 / 4; i < steps.size(); ++i)
    for (const auto& [phase, about] : steps[i].items()) {
      values[phase + " lr"].insert(about.at("lr").get<double>());
      for (const auto& [name, value] : about.at("scheduled").items())
        values[phase + " " + name].insert(value.get<double>());
    }
  for (const char* name :
       {"discriminator lr", "discriminator beta2", "discriminator penalty_ratio",
        "discriminator augment_probability", "generator lr", "generator beta2", "generator average_decay"})
    EXPECT_GT(values[name].size(), 1U) << name;
}

class GanKills : public testing::Test {
 protected:
  GanKills() { make_gan_run(tiny_); }

  [[nodiscard]] ProcessResult train(int ranks, const std::string& name,
                                    const std::vector<std::string>& overrides) const {
    return run(gan_command(tiny_, ranks, name, overrides));
  }
  // Starts the run and kills its rank 0 at a random moment of its training. Returns whether it still ran.
  // `holder`: the process that holds the run's folder, before and after the call.
  bool kill_once(int ranks, const std::string& name, const std::vector<std::string>& overrides, pid_t& holder,
                 std::mt19937& random) const {
    Process process(gan_command(tiny_, ranks, name, overrides));
    const std::string lease = tiny_.run_folder(name) + "/lease.json";
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    const pid_t before = holder;
    while (holder == before && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const nlohmann::json read = nlohmann::json::parse(std::ifstream(lease), nullptr, false);
      if (read.is_object()) holder = read.at("pid").get<pid_t>();
    }
    EXPECT_NE(holder, before) << process.err();
    if (holder == before) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 700));
    const bool hit = kill(holder, SIGKILL) == 0;
    (void)process.wait();
    return hit;
  }

  TinyRun tiny_;
};

TEST_F(GanKills, KilledAtAnyTimeItResumesToTheSameBits) {
  const char* const asked = std::getenv("EBB_KILLS");
  const int kills = asked != nullptr ? std::atoi(asked) : 3;  // train_gan_kills asks for more
  const int steps = 40 * kills;                               // a quick machine does about 30 between two
  for (const auto& [ranks, architecture] :
       {std::pair<int, const char*>{1, "residual"}, std::pair<int, const char*>{2, "dcgan"}}) {
    SCOPED_TRACE(architecture);
    const std::vector<std::string> overrides = with_long_schedules(steps, architecture);
    const std::string whole = "whole-" + std::to_string(ranks), killed = "killed-" + std::to_string(ranks);
    const ProcessResult undisturbed = train(ranks, whole, overrides);
    ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.out << undisturbed.err;
    const auto expected = phases_of_steps(tiny_.run_folder(whole));
    ASSERT_EQ(expected.size(), static_cast<std::size_t>(steps));
    expect_lasting_schedules(expected);

    std::mt19937 random(static_cast<unsigned>(ranks));
    pid_t holder = 0;
    int hits = 0;
    const std::string results = tiny_.run_folder(killed) + "/results.json";
    for (int i = 0; i < kills && !std::filesystem::exists(results) && !HasFailure(); ++i)
      hits += kill_once(ranks, killed, overrides, holder, random) ? 1 : 0;
    EXPECT_GT(hits, kills / 2) << "the run ended before most kills";
    const ProcessResult resumed = train(ranks, killed, overrides);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;

    const auto found = phases_of_steps(tiny_.run_folder(killed));
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(found[i], expected[i]) << "step " << i;
    EXPECT_EQ(checkpoint_tensors(tiny_.run_folder(killed)), checkpoint_tensors(tiny_.run_folder(whole)));
    // They have the probability of augmentation, and the scales.
    EXPECT_EQ(values_of_checkpoint(tiny_.run_folder(killed), steps),
              values_of_checkpoint(tiny_.run_folder(whole), steps));
  }
}

}  // namespace
}  // namespace ebb::test

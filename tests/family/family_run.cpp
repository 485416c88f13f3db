// SPDX-License-Identifier: Apache-2.0
#include "family/family_run.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace ebb::test {
namespace {

using nlohmann::json;

std::size_t whole_lines(const std::string& folder) {
  std::ifstream file(folder + "/metrics.jsonl");
  return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
}

}  // namespace

FamilyRun::FamilyRun() {
  std::ofstream(tiny_.folder() / "gan.yaml")
      << "run: {name: gan, dir: " << (tiny_.folder() / "runs") << ", steps: " << kSteps
      << ", evaluate_every: 12}\n"
      << "model: {kind: tiny_gan, latent: 4, hidden: 16}\n"
      << "data: {source: " << (tiny_.folder() / "data") << ", batch: " << kBatch << "}\n"
      << "precision: {loss_scale: {initial: 1024}}\n"
      << "optimizer: {lr: 0.004, schedule: {warmup_steps: 5}}\n"
      << "discriminator: {optimizer: {lr: 0.002}}\n"
      << "parallel: {threads: 1, timeout: 60s}\n"
      << "checkpoint: {every: 6}\n";
}

std::string FamilyRun::core() {
  return std::getenv("EBB_TINY_GAN_CORE");
}

std::vector<std::string> FamilyRun::command(int ranks, const std::string& name,
                                            const std::vector<std::string>& overrides) const {
  std::vector<std::string> argv{core(), "train", tiny_.folder() / "gan.yaml", "run.name=" + name};
  argv.insert(argv.end(), overrides.begin(), overrides.end());
  return ranks == 1 ? argv : mpirun(ranks, argv);
}

ProcessResult FamilyRun::train(int ranks, const std::string& name,
                               const std::vector<std::string>& overrides) const {
  return run(command(ranks, name, overrides));
}

void FamilyRun::kill_after(std::size_t lines, int ranks, const std::string& name,
                           const std::vector<std::string>& overrides) const {
  Process process(command(ranks, name, overrides));
  const std::string run_folder = folder(name);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(150);
  while (!std::filesystem::exists(run_folder + "/metrics.jsonl") ||
         std::filesystem::file_size(run_folder + "/metrics.jsonl") == 0 || whole_lines(run_folder) < lines) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << process.out() << process.err();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const json lease = json::parse(std::ifstream(run_folder + "/lease.json"));
  kill(lease.at("pid").get<pid_t>(), SIGKILL);
  EXPECT_NE(process.wait().exit_code, 0);
}

json FamilyRun::manifest(const std::string& name, int step) const {
  char checkpoint[32];
  std::snprintf(checkpoint, sizeof checkpoint, "step-%08d", step);
  return json::parse(std::ifstream(folder(name) + "/checkpoints/" + checkpoint + "/manifest.json"));
}

std::vector<json> FamilyRun::step_lines(const std::string& name) const {
  std::vector<json> lines;
  for (json& line : json_lines(folder(name) + "/metrics.jsonl"))
    if (line.contains("loss")) lines.push_back(std::move(line));
  return lines;
}

}  // namespace ebb::test

// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "base/error.h"
#include "checkpoint/store.h"
#include "comm/world.h"

namespace ebb::checkpoint {

comm::World& test_world();
inline constexpr double kTimeout_s = 60;

// A part of a run that records what it was restored with.
struct FakePart final : core::Stateful {
  core::State held;
  nlohmann::json restored;
  bool broken = false;
  core::State state() override {
    if (broken) throw Error(ExitCode::memory, "this part is broken");
    return held;
  }
  void restore(const nlohmann::json& values) override { restored = values; }
};

// A model in fp16 and its optimizer, filled from a seed.
struct FakeRun {
  FakePart model, optimizer;

  explicit FakeRun(int seed) {
    at::manual_seed(static_cast<std::uint64_t>(seed));
    for (int i = 0; i < 6; ++i) {
      const std::string name = "layer" + std::to_string(i);
      model.held.tensors[name + ".weight"] = at::randn({8 + i, 5}).to(at::kHalf).requires_grad_(true);
      optimizer.held.tensors[name + ".m"] = at::randn({(8 + i) * 5});
      optimizer.held.tensors[name + ".residual"] = at::randint(-9, 9, {(8 + i) * 5}, at::kShort);
    }
    model.held.values = {{"image", {1, 28, 28}}};
    optimizer.held.values = {{"steps", seed}, {"scale", 0.1 + seed}};
  }
  Parts parts() { return {{"model", &model}, {"optimizer", &optimizer}}; }
};

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && at::equal(a, b);
}

inline bool same_bits(FakeRun& a, FakeRun& b) {
  for (auto& [mine, other] : {std::pair{&a.model, &b.model}, std::pair{&a.optimizer, &b.optimizer}}) {
    for (const auto& [name, tensor] : mine->held.tensors) {
      if (!same_bits(tensor, other->held.tensors.at(name))) return false;
    }
  }
  return true;
}

inline RunConfiguration configuration_with(const std::string& lr) {
  return {{{"optimizer.lr", lr}, {"run.seed", "1"}}, "optimizer: {lr: " + lr + "}\n"};
}

// The outcome of a call on all ranks. Only the lowest failed rank has the message.
struct Outcome {
  ExitCode code = ExitCode::ok;
  std::string message;
};

template <class F>
Outcome outcome_of(const F& call) {
  try {
    call();
    return {};
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
}

// A run folder that all ranks share, removed after the test.
class SharedFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "ebb-checkpoint-XXXXXX").string();
    if (is_first()) {
      ASSERT_NE(::mkdtemp(path.data()), nullptr);
    }
    run_ = test_world().gather_to_all(path, kTimeout_s)[0];
  }
  void TearDown() override {
    meet();
    if (is_first()) std::filesystem::remove_all(run_);
  }
  static bool is_first() { return test_world().rank() == 0; }
  static void meet() { (void)test_world().gather_to_all("", kTimeout_s); }
  // A change of the files by rank 0 between two calls on all ranks.
  template <class F>
  static void on_first(const F& act) {
    meet();
    if (is_first()) act();
    meet();
  }
  [[nodiscard]] std::filesystem::path step(int n) const { return step_folder(run_ / "checkpoints", n); }
  Store store(std::int64_t keep = 10, Resume resume = Resume::automatic) {
    CheckpointConfig config;
    config.keep = keep;
    config.resume = resume;
    return {run_, config, test_world(), kTimeout_s};
  }
  std::string warnings_;
  std::function<void(const std::string&)> warn_ = [this](const std::string& text) {
    warnings_ += text + "\n";
  };
  std::filesystem::path run_;
};

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void overwrite(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace ebb::checkpoint

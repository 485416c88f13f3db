// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "config/document.h"
#include "config/section.h"

namespace ebb::config {

// A configuration with one key of every kind.
struct ScheduleConfig {
  enum class Kind { constant, cosine };
  Kind kind = Kind::cosine;
  std::int64_t warmup_steps = 100;
  void describe(Section& s) {
    s.choice("kind", kind, {{"constant", Kind::constant}, {"cosine", Kind::cosine}}).doc("Its shape.");
    s.integer("warmup_steps", warmup_steps).at_least(0).unit("steps").doc("Steps until the peak rate.");
  }
};

struct OptimizerConfig {
  double lr = 1e-3;
  double decay = 0.1;
  ScheduleConfig schedule;
  void describe(Section& s) {
    s.number("lr", lr).above(0).doc("Peak learning rate.");
    s.number("weight_decay", decay).at_least(0).below(1);
    s.renamed("decay", "weight_decay");
    s.removed("amsgrad", "leave it out");
    s.section("schedule", schedule, "How the learning rate changes.");
  }
};

struct RunConfig {
  std::string name;
  std::string dir = "runs";
  std::int64_t steps = 2000;
  bool shuffle = true;
  void describe(Section& s) {
    s.text("name", name).required().doc("Names the run's folder.");
    s.text("dir", dir).free_to_change();
    s.integer("steps", steps).at_least(1).at_most(1000000);
    s.flag("shuffle", shuffle);
  }
};

struct MemoryConfig {
  std::int64_t bucket = 25 << 20;
  std::optional<std::int64_t> budget;
  std::optional<std::int64_t> micro_batch;
  double timeout = 300;
  void describe(Section& s) {
    s.bytes("bucket", bucket).at_least(1 << 20).doc("Size of a gradient bucket.");
    s.bytes_or_auto("budget", budget).at_least(1);
    s.integer_or_auto("micro_batch", micro_batch).at_least(1);
    s.duration("timeout", timeout).above(0).free_to_change().doc("Of one collective.");
  }
};

struct CheckpointConfig {
  std::vector<std::string> allow;
  void describe(Section& s) { s.texts("allow", allow).key_paths().free_to_change(); }
};

struct ExampleConfig {
  RunConfig run;
  OptimizerConfig optimizer;
  MemoryConfig memory;
  CheckpointConfig checkpoint;
  void describe(Section& s) {
    s.section("run", run, "The run itself.");
    s.section("optimizer", optimizer, "Steps the weights.");
    s.section("memory", memory, "Bytes and time.");
    s.section("checkpoint", checkpoint, "Saving.");
  }
};

// Loads texts as the file "a.yaml" in the working folder of a test, so that messages have a short name.
class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() : previous_(std::filesystem::current_path()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "ebb-config-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::filesystem::current_path(folder_);
  }
  ~ConfigTest() override {
    std::filesystem::current_path(previous_);
    std::filesystem::remove_all(folder_);
  }

  static ExampleConfig load_text(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    write_file_atomically("a.yaml", yaml);
    ExampleConfig config;
    Section root;
    config.describe(root);
    load("a.yaml", overrides, root);
    return config;
  }

  // The message of the Error(usage) that loading throws; empty if it throws none.
  static std::string refusal(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
    try {
      load_text(yaml, overrides);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "";
  }

 private:
  std::filesystem::path previous_, folder_;
};

// Sets a variable while the object exists; null removes the variable.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* old = ::getenv(name)) old_ = old;
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~ScopedVariable() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

}  // namespace ebb::config

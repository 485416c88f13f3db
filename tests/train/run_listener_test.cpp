// SPDX-License-Identifier: Apache-2.0
#include "train/run_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace ebb::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Adds "NAME EVENT" to a list for each event, and then throws in one of them.
class NotingListener final : public RunListener {
 public:
  NotingListener(std::string name, std::vector<std::string>& notes, std::string fails_in)
      : name_(std::move(name)), notes_(notes), fails_in_(std::move(fails_in)) {}
  void started(const RunStart&) override { note("started"); }
  void stepped(const step::StepReport&) override { note("stepped"); }
  void evaluating(std::int64_t) override { note("evaluating"); }
  void evaluated(std::int64_t, const Evaluation&, double) override { note("evaluated"); }
  void sampled() override { note("sampled"); }
  void saved(const std::filesystem::path&, double) override { note("saved"); }
  void step_completed(std::int64_t) override { note("step_completed"); }
  void rolled_back(const Rollback&) override { note("rolled_back"); }
  void ended(const std::string&) override { note("ended"); }

 private:
  void note(const std::string& event) {
    notes_.push_back(name_ + " " + event);
    if (event == fails_in_) throw Error(ExitCode::storage, "the disk of the " + name_ + " is full");
  }

  std::string name_;
  std::vector<std::string>& notes_;
  std::string fails_in_;  // empty: in none
};

class RunListenersTest : public testing::Test {
 protected:
  void add(const std::string& name, const std::string& fails_in = "") {
    listeners_.add(std::make_unique<NotingListener>(name, notes_, fails_in));
  }
  // The notes since the last call.
  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

  std::vector<std::string> notes_;
  RunListeners listeners_;
};

TEST_F(RunListenersTest, EachEventReachesAllInTheOrderInWhichTheyWereAdded) {
  for (const char* name : {"first", "second", "third"}) add(name);
  const std::vector<std::pair<std::string, std::function<void()>>> events = {
      {"started", [this] { listeners_.started(RunStart{}); }},
      {"stepped", [this] { listeners_.stepped(step::StepReport{}); }},
      {"saved", [this] { listeners_.saved("step-00000001", 1); }},
      {"evaluating", [this] { listeners_.evaluating(1); }},
      {"evaluated", [this] { listeners_.evaluated(1, Evaluation{}, 1); }},
      {"sampled", [this] { listeners_.sampled(); }},
      {"step_completed", [this] { listeners_.step_completed(0); }},
      {"rolled_back", [this] { listeners_.rolled_back(Rollback{}); }},
      {"ended", [this] { listeners_.ended(""); }},
  };
  for (const auto& [name, event] : events) {
    event();
    EXPECT_THAT(take_notes(), ElementsAre("first " + name, "second " + name, "third " + name));
  }
}

TEST_F(RunListenersTest, OneThatThrowsKeepsTheEventFromThoseAfterIt) {
  add("first");
  add("second", "saved");
  add("third");
  try {
    listeners_.saved("step-00000001", 1);
    ADD_FAILURE() << "the error did not reach the caller";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_THAT(error.what(), HasSubstr("the disk of the second is full"));
  }
  EXPECT_THAT(take_notes(), ElementsAre("first saved", "second saved"));
}

}  // namespace
}  // namespace ebb::train

// SPDX-License-Identifier: Apache-2.0
// The reports of a rank's memory: on request and at a refused allocation. PyTorch's own reader reads the
// snapshot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

json read_snapshot(const std::string& path) {
  const ProcessResult result =
      run({std::getenv("EBB_TWIN_PYTHON"), source_dir() + "/tests/train/read_snapshot.py", path});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return result.exit_code == 0 ? json::parse(result.out) : json();
}

void expect_readable(const json& snapshot) {
  ASSERT_TRUE(snapshot.is_object());
  EXPECT_EQ(snapshot.at("protocol"), 2) << "the format's documented version";
  EXPECT_LE(snapshot.at("largest_batch"), 1000) << "JavaScript limits the arguments of a function";
  EXPECT_EQ(snapshot.at("homeless"), 0) << "a block outside of all segments";
  EXPECT_EQ(snapshot.at("wrong"), 0) << "events that disagree with the blocks";
  EXPECT_TRUE(snapshot.at("in_order"));
}

bool wait_for(const std::string& path) {
  for (int i = 0; i < 1000 && !std::filesystem::exists(path); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return std::filesystem::exists(path);
}

// The run goes on and ends as it would have.
TEST(MemoryReport, IsWrittenOnSigusr2ByEachRankWithTheLiveBytesOfTheLog) {
  const TinyRun tiny;
  const std::string folder = tiny.run_folder("asked") + "/memory/";
  Process run(tiny.launch("asked", {"run.steps=1000000", "memory.history=4000"}), {});
  ASSERT_TRUE(wait_for(folder + "rank-00000.jsonl")) << run.err();
  while (json_lines(folder + "rank-00000.jsonl").size() < 50)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  run.signal(SIGUSR2);
  for (const std::string rank : {"rank-00000", "rank-00001"}) {
    SCOPED_TRACE(rank);
    ASSERT_TRUE(wait_for(folder + rank + ".snapshot.pickle")) << run.out() << run.err();
    const std::string text = text_of(folder + rank + ".report.txt");
    EXPECT_THAT(text, HasSubstr("The report was requested by SIGUSR2."));
    EXPECT_THAT(text, ContainsRegex("Memory of rank [01] of 2 on .*, in step [0-9]+, stage setup"));
    EXPECT_THAT(text, HasSubstr("planned"));
    const json snapshot = read_snapshot(folder + rank + ".snapshot.pickle");
    expect_readable(snapshot);
    EXPECT_EQ(snapshot.at("events"), 4000);
    EXPECT_EQ(snapshot.at("largest_batch"), 1000) << "more events than one batch";
    EXPECT_THAT(snapshot.at("stages"), testing::Contains("backward"));
    json live = json_lines(folder + rank + ".jsonl").front().at("live");
    for (auto one = live.begin(); one != live.end();)
      one = one.value() == 0 ? live.erase(one) : std::next(one);
    EXPECT_EQ(snapshot.at("by_class"), live);
  }
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().exit_code, 75) << run.wait().err;
  EXPECT_THAT(run.wait().out, HasSubstr("memory of rank 1: "));
}

// The batch needs more than the budget; its parts do not.
TEST(MemoryReport, OfARefusedAllocationHasTenLinesOnTheScreenAndTheChangeThatFits) {
  const TinyRun tiny;
  const std::string batch = "data.batch=262144";
  const ProcessResult planned = run({ebb_binary(), "plan", tiny.folder() / "tiny.yaml", "--json", batch});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  const json plan = json::parse(planned.out);
  const std::int64_t process = plan.at("process"), resident = plan.at("resident");
  const std::int64_t budget = process + (resident - process) / 2;
  const ProcessResult ended = tiny.train(
      1, "refused", {batch, "run.steps=2", "memory.check=warn", "memory.budget=" + std::to_string(budget)});
  EXPECT_EQ(ended.exit_code, 4) << ended.out << ended.err;
  const std::string error = ended.err.substr(ended.err.find("out of host memory"));
  EXPECT_THAT(error,
              ContainsRegex("^out of host memory in stage (forward|backward).*: .* requested by .* / "));
  EXPECT_THAT(error,
              ContainsRegex("\n  limit: memory.budget is .*: .* for tensors and buffers of this rank"));
  EXPECT_THAT(error, ContainsRegex("\n  live: activations .* MiB, data .* MiB"));
  EXPECT_THAT(error, ContainsRegex("\n  largest owners: .* / .* MiB, "));
  EXPECT_THAT(error, ContainsRegex("\n  free: .* kept by the cache, the largest block "));
  EXPECT_THAT(error, ContainsRegex("\n  planned: at most .* live in a step, .* now"));
  EXPECT_THAT(error, ContainsRegex("\n  report: .*rank-00000.report.txt"));
  EXPECT_THAT(error, ContainsRegex("\n  fits: data.micro_batches=[0-9]+ needs"));
  EXPECT_LE(std::ranges::count(error.substr(0, error.find("\n---")), '\n'), 10) << error;

  const std::string folder = tiny.run_folder("refused") + "/memory/";
  const std::string text = text_of(folder + "rank-00000.report.txt");
  EXPECT_THAT(text, HasSubstr("in step 0, stage "));
  EXPECT_THAT(text, HasSubstr("out of host memory in stage"));
  EXPECT_THAT(text, ContainsRegex("\n  fits: data.micro_batches=[0-9]+ needs")) << "found after the failure";
  const json snapshot = read_snapshot(folder + "rank-00000.snapshot.pickle");
  expect_readable(snapshot);
  EXPECT_GT(snapshot.at("allocated"), (budget - process) / 2) << "written before the step was undone";

  const std::string micro = error.substr(error.find("data.micro_batches="));
  const ProcessResult fitted = tiny.train(
      1, "fitted",
      {batch, "run.steps=2", "memory.budget=" + std::to_string(budget), micro.substr(0, micro.find(' '))});
  EXPECT_EQ(fitted.exit_code, 0) << fitted.out << fitted.err;
}

// The fault of one rank of two, in the middle of its blocks.
TEST(MemoryReport, OfAFailureOfOneRankIsWrittenByTheOtherOneToo) {
  const TinyRun tiny;
  const std::string counted = tiny.folder() / "count";
  const auto run_with = [&](const std::string& name, const std::string& fault, const std::string& value) {
    ProcessOptions options;
    options.environment = {
        {"LD_PRELOAD", std::getenv("EBB_FAULT_SHIM")}, {"EBB_FAULT_RANK", "1"}, {fault, value}};
    return run(tiny.command(2, name, {"run.steps=10"}), options);
  };
  ASSERT_EQ(run_with("counted", "EBB_FAULT_COUNT", counted).exit_code, 0);
  const long blocks = std::stol(text_of(counted));
  const ProcessResult ended = run_with("one", "EBB_FAULT_BLOCK", std::to_string(blocks / 2));
  EXPECT_EQ(ended.exit_code, 4) << ended.out << ended.err;
  EXPECT_THAT(ended.err, ContainsRegex("rank 1 of 2 on .*: out of host memory in stage "));
  const std::string folder = tiny.run_folder("one") + "/memory/";
  EXPECT_THAT(text_of(folder + "rank-00001.report.txt"), HasSubstr("\nout of host memory in stage "));
  EXPECT_THAT(text_of(folder + "rank-00000.report.txt"),
              ContainsRegex("Memory of rank 0 of 2 .*\nThe memory of another rank of this host failed;"));
  expect_readable(read_snapshot(folder + "rank-00000.snapshot.pickle"));
}

}  // namespace
}  // namespace ebb::test

// SPDX-License-Identifier: Apache-2.0
// The planned memory of a step equals the measured one, for the families with one network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "support/planned_memory.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

struct Case {
  std::string name;
  TinyRun::Of data;
  int ranks;
  std::vector<std::string> overrides;
};

class PlannedMemory : public testing::TestWithParam<Case> {};

TEST_P(PlannedMemory, EqualsTheLogOfEachRank) {
  const Case& one = GetParam();
  const TinyRun tiny(one.data);
  std::vector<std::string> overrides{"run.steps=6", "run.evaluate_every=3", "run.samples=false"};
  overrides.insert(overrides.end(), one.overrides.begin(), one.overrides.end());
  const ProcessResult trained = tiny.train(one.ranks, one.name, overrides);
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  expect_planned_memory(tiny.folder() / "tiny.yaml", one.ranks, overrides, tiny.run_folder(one.name));
}

constexpr auto kImages = TinyRun::Of::images, kText = TinyRun::Of::text;
INSTANTIATE_TEST_SUITE_P(
    Families, PlannedMemory,
    testing::Values(
        Case{"vae", kImages, 1, {}}, Case{"vae-2", kImages, 2, {"data.prefetch=2"}},
        // Of the test images, rank 0 has one full part and a shorter one, and one part alone.
        Case{"vae-two-parts", kImages, 2, {"data.batch=64"}},
        Case{"vae-one-part", kImages, 2, {"data.batch=256"}},
        Case{"vae-micro", kImages, 2, {"data.micro_batches=4"}},
        Case{"vae-measures", kImages, 1, {"evaluate.samples=40"}},
        Case{"vae-fp32", kImages, 1, {"precision.dtype=fp32", "average.half_life=100"}},
        Case{"vae-logistic", kImages, 1, {"model.likelihood=discretized_logistic"}},
        Case{"gpt", kText, 1, {}}, Case{"gpt-samples", kText, 1, {"run.sample_every=3", "data.batch=1"}},
        Case{"llama-samples",
             kText,
             1,
             {"model.architecture=llama", "run.sample_every=3", "data.batch=1", "average.half_life=100"}},
        // Texts that outgrow the context, and texts that do not. The cache of keys and values of eight layers
        // makes the texts the largest part of an evaluation.
        Case{"gpt-samples-128",
             kText,
             1,
             {"data.context=128", "model.layers=8", "run.sample_every=3", "data.batch=1"}},
        Case{"gpt-samples-320",
             kText,
             1,
             {"data.context=320", "model.layers=8", "run.sample_every=3", "data.batch=1"}},
        // The two gradients of the tied weight make the peak of backward.
        Case{"gpt-2-tied",
             kText,
             2,
             {"model.vocabulary=8192", "data.context=16", "data.batch=2", "parallel.bucket=64KiB"}},
        // The sum of the embedding's gradients takes four chunks.
        Case{"gpt-chunks",
             kText,
             1,
             {"model.vocabulary=50000", "model.dim=64", "data.context=16", "data.batch=2",
              "precision.dtype=bf16", "data.micro_batches=2"}},
        Case{"gpt-2-bf16", kText, 2, {"precision.dtype=bf16", "data.micro_batches=2"}},
        Case{"llama",
             kText,
             4,
             {"model.architecture=llama", "model.kv_heads=1", "model.tied=false", "data.micro_batches=2"}}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::ranges::replace(name, '-', '_');
      return name;
    });

// The batch needs hundreds of gigabytes, and one sample some kilobytes.
TEST(MemoryCheck, ARunThatCannotFitEndsBeforeItsFirstStepWithTheChangeThatFits) {
  const TinyRun tiny;
  const std::vector<std::string> huge = {"data.batch=268435456", "checkpoint.every=0"};
  for (const int ranks : {1, 2}) {
    const std::string name = "huge-" + std::to_string(ranks);
    const ProcessResult refused = tiny.train(ranks, name, huge);
    EXPECT_EQ(refused.exit_code, 4) << refused.out << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("the run needs "));
    EXPECT_THAT(refused.err, HasSubstr("\n  largest on each rank: "));
    EXPECT_THAT(refused.err, ContainsRegex("\n  fits: data.micro_batches=[0-9]+ needs .* on each rank"));
    EXPECT_THAT(refused.err, HasSubstr("memory.check=warn"));
    EXPECT_FALSE(std::filesystem::exists(tiny.run_folder(name) + "/metrics.jsonl"));
  }
}

nlohmann::json plan_of(const TinyRun& tiny, const std::vector<std::string>& overrides) {
  std::vector<std::string> argv{ebb_binary(), "plan", tiny.folder() / "tiny.yaml", "--json"};
  argv.insert(argv.end(), overrides.begin(), overrides.end());
  const ProcessResult planned = run(argv);
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  return nlohmann::json::parse(planned.out);
}

// A pipe has no writer here: a reader of it would wait for ever.
TEST(MemoryCheck, PipesInPlaceOfTheLogsDoNotStopAPlan) {
  const TinyRun tiny;
  const std::filesystem::path folder = tiny.run_folder("pipes");
  std::filesystem::create_directories(folder / "memory");
  for (const char* name : {"metrics.jsonl", "memory/rank-00000.jsonl"})
    ASSERT_EQ(::mkfifo((folder / name).c_str(), 0600), 0) << name;
  EXPECT_GT(plan_of(tiny, {"run.name=pipes"}).at("peak_total"), 0);
}

// The parts of a plan that depend on neither this process nor the free memory.
nlohmann::json counted(const nlohmann::json& plan) {
  nlohmann::json parts;
  for (const char* key : {"live", "peak", "peak_total", "stages", "evaluation_total", "kept"})
    parts[key] = plan.at(key);
  return parts;
}

// Kernels for AVX-512 have other workspaces than those of smaller instruction sets.
TEST(PlannedInstructionSet, IsThatOfTheProcessorUnlessItIsGiven) {
  for (const auto of : {kImages, kText}) {
    const TinyRun tiny(of);
    const nlohmann::json own = plan_of(tiny, {});
    EXPECT_EQ(counted(plan_of(tiny, {"--isa", own.at("isa")})), counted(own));
    const nlohmann::json packed = plan_of(tiny, {"--isa=avx512"}), blas = plan_of(tiny, {"--isa=avx2"});
    EXPECT_EQ(packed.at("isa"), "avx512");
    EXPECT_NE(counted(packed), counted(blas));
    EXPECT_EQ(counted(plan_of(tiny, {"run.isa=avx2"})), counted(blas));
    EXPECT_EQ(counted(plan_of(tiny, {"run.isa=avx2", "--isa=avx512"})), counted(packed));
  }
}

TEST(PlannedInstructionSet, HasTheMemoryOfARunWithItsKernels) {
  struct OfRun {
    std::string name;
    TinyRun::Of data;
    int ranks;
    std::vector<std::string> overrides;
  };
  for (const OfRun& one : {OfRun{"vae", kImages, 1, {"evaluate.samples=40"}},
                           OfRun{"gpt", kText, 2, {"data.micro_batches=2"}}}) {
    const TinyRun tiny(one.data);
    const std::string best = plan_of(tiny, {}).at("isa");
    for (const std::string isa : {"avx2", "scalar"}) {
      if (isa == best || best == "scalar") continue;
      SCOPED_TRACE(one.name + " for " + isa);
      std::vector<std::string> overrides{"run.steps=6", "run.evaluate_every=3", "run.samples=false"};
      overrides.insert(overrides.end(), one.overrides.begin(), one.overrides.end());
      std::vector<std::string> forced = overrides, planned = overrides;
      forced.push_back("run.isa=" + isa);
      planned.push_back("--isa=" + isa);
      const std::string run_name = one.name + "-" + isa;
      const ProcessResult trained = tiny.train(one.ranks, run_name, forced);
      ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
      expect_planned_memory(tiny.folder() / "tiny.yaml", one.ranks, planned, tiny.run_folder(run_name));
    }
  }
}

TEST(PlannedInstructionSet, OfAnotherNameIsRefusedWithTheList) {
  const TinyRun tiny;
  for (const std::string wrong : {"--isa=amx", "run.isa=amx"}) {
    const ProcessResult refused = run({ebb_binary(), "plan", tiny.folder() / "tiny.yaml", wrong});
    EXPECT_EQ(refused.exit_code, 2) << wrong;
    for (const char* name : {"scalar", "avx2", "avx512"}) EXPECT_THAT(refused.err, HasSubstr(name)) << wrong;
  }
  const ProcessResult on_gpu =
      run({ebb_binary(), "plan", tiny.folder() / "tiny.yaml", "--device=cuda", "--isa=avx2"});
  EXPECT_EQ(on_gpu.exit_code, 2);
  EXPECT_THAT(on_gpu.err, HasSubstr("--isa are for runs on CPUs"));
}

std::int64_t peak_resident(const TinyRun& tiny, const std::string& name) {
  return memory_lines(tiny.run_folder(name), 0).back().at("peak_resident");
}

// The pages of code depend on the page cache, so they are left out, and the tensors are many times larger.
TEST(PlannedResidentSet, IsThatOfTheRun) {
  const TinyRun tiny;
  // Few slots, so that the steps write each of them.
  const std::vector<std::string> large = {"data.batch=1048576", "data.prefetch=1", "run.steps=5",
                                          "run.samples=false"};
  const nlohmann::json plan = plan_of(tiny, large);
  const double process = plan.at("process"), planned = plan.at("resident").get<double>() - process;
  ASSERT_GT(planned, 4 * process);
  ASSERT_EQ(tiny.train(1, "large", large).exit_code, 0);
  EXPECT_NEAR(static_cast<double>(peak_resident(tiny, "large")) - process, planned, 0.06 * planned);
}

// The activations of this batch exceed it; those of a part of it do not.
TEST(MemoryCheck, ABudgetIsHeldTo) {
  const TinyRun tiny;
  std::vector<std::string> large = {"data.batch=262144", "run.steps=2"};
  const nlohmann::json plan = plan_of(tiny, large);
  const std::int64_t process = plan.at("process"), resident = plan.at("resident");
  const std::int64_t budget = process + (resident - process) / 2;
  large.push_back("memory.budget=" + std::to_string(budget));
  const ProcessResult refused = tiny.train(1, "refused", large);
  EXPECT_EQ(refused.exit_code, 4) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr(": memory.budget is "));
  EXPECT_THAT(refused.err, ContainsRegex("\n  fits: data.micro_batches=[0-9]+ needs"));
  EXPECT_FALSE(std::filesystem::exists(tiny.run_folder("refused") + "/metrics.jsonl"));
  const ProcessResult planned = run({ebb_binary(), "plan", tiny.folder() / "tiny.yaml", large[0], large[2]});
  EXPECT_THAT(planned.out, HasSubstr("does not fit")) << "the plan has the same limit";

  std::vector<std::string> warned = large;
  warned.emplace_back("memory.check=warn");
  const ProcessResult ended = tiny.train(1, "warned", warned);
  EXPECT_EQ(ended.exit_code, 4) << ended.out << ended.err;
  EXPECT_THAT(ended.out + ended.err, HasSubstr("warning: the run needs "));
  EXPECT_THAT(ended.err, ContainsRegex("out of host memory in stage (forward|backward): .* requested by"));
  EXPECT_THAT(ended.err, ContainsRegex("memory.budget is .*: .* for tensors and buffers of this rank"));

  std::vector<std::string> fitting = large;
  fitting.emplace_back("data.micro_batches=64");
  const ProcessResult trained = tiny.train(1, "fitting", fitting);
  EXPECT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  EXPECT_LE(peak_resident(tiny, "fitting"), budget);
}

// A cache of unpacked shards is allocated when the data is opened.
TEST(PlannedCache, OfCompressedShardsIsThatOfTheRun) {
  const TinyRun tiny;
  for (const std::string split : {"train", "test"}) {
    const ProcessResult packed =
        run({ebb_binary(), "data", "pack", tiny.folder() / (split + ".idx"), "-o",
             tiny.folder() / ("packed/" + split), "--compression", "zstd", "--shard-size", "8KiB"});
    ASSERT_EQ(packed.exit_code, 0) << packed.err;
  }
  const std::vector<std::string> overrides = {"data.source=" + (tiny.folder() / "packed"),
                                              "data.cache.ram=20KiB", "run.steps=6", "run.samples=false"};
  ASSERT_EQ(tiny.train(2, "packed", overrides).exit_code, 0);
  expect_planned_memory(tiny.folder() / "tiny.yaml", 2, overrides, tiny.run_folder("packed"));
  const nlohmann::json cached = plan_of(tiny, overrides).at("live").at("data");
  const nlohmann::json raw = plan_of(tiny, {"run.steps=6"}).at("live").at("data");
  EXPECT_GT(cached.get<std::int64_t>(), raw.get<std::int64_t>() + (16 << 10));
}

// The activations of this batch exceed the budget.
TEST(MicroBatches, AutoAreTheFewestThatFitAndAResumedRunKeepsThem) {
  const TinyRun tiny;
  const std::string batch = "data.batch=262144", automatic = "data.micro_batches=auto";
  const nlohmann::json plan = plan_of(tiny, {batch, "-n", "2"});
  const std::int64_t process = plan.at("process"), resident = plan.at("resident");
  const std::string budget = "memory.budget=" + std::to_string(process + (resident - process) / 2);
  const ProcessResult trained =
      tiny.train(2, "auto", {batch, automatic, budget, "run.steps=2", "checkpoint.every=1"});
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  const std::string said = "data.micro_batches is auto: ";
  ASSERT_THAT(trained.out, HasSubstr(said));
  const int chosen = std::stoi(trained.out.substr(trained.out.find(said) + said.size()));
  ASSERT_GT(chosen, 1);
  const ProcessResult fewer = tiny.train(
      2, "fewer", {batch, "data.micro_batches=" + std::to_string(chosen / 2), budget, "run.steps=2"});
  EXPECT_EQ(fewer.exit_code, 4) << fewer.out << fewer.err;
  const ProcessResult planned =
      run({ebb_binary(), "plan", tiny.folder() / "tiny.yaml", "-n", "2", batch, automatic, budget});
  EXPECT_THAT(planned.out, HasSubstr(said + std::to_string(chosen) + " here, the fewest that fit"));

  // Without the budget one would do, but the sums of a resumed run must not change.
  std::filesystem::remove_all(tiny.run_folder("auto") + "/checkpoints/step-00000002");
  const ProcessResult resumed =
      tiny.train(2, "auto", {batch, automatic, "run.steps=2", "checkpoint.every=1"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resumes from step 1"));
  const ProcessResult other = tiny.train(2, "auto", {batch, "data.micro_batches=1", "run.steps=2"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("data.micro_batches: saved with " + std::to_string(chosen) + ", now 1"));
}

}  // namespace
}  // namespace ebb::test

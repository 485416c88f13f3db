// SPDX-License-Identifier: Apache-2.0
// `ebb plan` on the real program: figures before a run, and from the logs of one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ProcessResult plan(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {ebb_binary(), "plan"});
  ProcessOptions options;
  options.environment["COLUMNS"] = "80";
  return run(arguments, options);
}

std::int64_t number(const std::string& text, const std::string& key) {
  std::smatch found;
  if (!std::regex_search(text, found, std::regex("(?:^|\n)" + key + ": (\\d+)\n"))) return -1;
  return std::stoll(found[1]);
}

std::int64_t bytes_in(const fs::path& folder) {
  std::int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    bytes += static_cast<std::int64_t>(entry.file_size());
  return bytes;
}

// Its data and weights do not exist, and memory would not suffice for a hundredth of it.
TEST(Plan, AModelOfEightBillionParametersIsPlannedOnAnyMachine) {
  const std::string config = source_dir() + "/configs/llama-8b.yaml";
  const ProcessResult text =
      run_shell("ulimit -v 8000000; " + ebb_binary() + " plan " + config + " data.source=/dev/null/nowhere");
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("8.03 billion"), HasSubstr("for a worker of 1 rank, on CPUs")));
  const ProcessResult values = plan({"--helm-values", "--slots", "8", "--write-rate", "1GiB", config});
  ASSERT_EQ(values.exit_code, 0) << values.err;
  // Two bytes of weight, two of residual, and two moments of four.
  const std::int64_t bytes = number(values.out, "checkpointBytes");
  EXPECT_NEAR(static_cast<double>(bytes), 12 * 8.03e9, 0.01e9 * 12);
  EXPECT_EQ(number(values.out, "checkpointBytesPerSecond"), std::int64_t{1} << 30);
  EXPECT_EQ(number(values.out, "terminationGracePeriodSeconds"), (60 + bytes / (1 << 30) + 1 + 9) / 10 * 10);
  EXPECT_THAT(values.out, AllOf(HasSubstr("\nshm:\n  size: 512Mi\n"), Not(HasSubstr("\nworker:"))));
}

TEST(Plan, PredictedAndWrittenBytesAreEqual) {
  const TinyRun tiny;
  const std::string config = tiny.folder() / "tiny.yaml";
  const ProcessResult before = plan({"--helm-values", config, "run.name=measured"});
  ASSERT_EQ(before.exit_code, 0) << before.err;
  EXPECT_THAT(before.out, HasSubstr("computed from the model"));
  ASSERT_EQ(tiny.train(2, "measured", {"run.steps=20"}).exit_code, 0);
  const fs::path checkpoint = fs::path(tiny.run_folder("measured")) / "checkpoints" / "step-00000020";
  const auto written = static_cast<double>(bytes_in(checkpoint));
  EXPECT_NEAR(static_cast<double>(number(before.out, "checkpointBytes")), written, 0.1 * written);

  const ProcessResult after = plan({"--helm-values", "--slots", "2", config, "run.name=measured"});
  ASSERT_EQ(after.exit_code, 0) << after.err;
  EXPECT_THAT(after.out, AllOf(HasSubstr(checkpoint.string()), HasSubstr("as 2 ranks of this run logged")));
  EXPECT_NEAR(static_cast<double>(number(after.out, "checkpointBytes")), written, 100) << "without DONE";
  // More than two ranks and /dev/shm use, but not much more.
  std::int64_t resident = 0;
  for (const int rank : {0, 1})
    resident += memory_lines(tiny.run_folder("measured"), rank).back()["peak_resident"].get<std::int64_t>();
  std::smatch limit;
  ASSERT_TRUE(std::regex_search(after.out, limit, std::regex("memory: (\\d+)Mi"))) << after.out;
  const double given = std::stod(limit[1]) * (1 << 20);
  EXPECT_GT(given, static_cast<double>(resident) + (256 << 20));
  EXPECT_LT(given, 1.5 * static_cast<double>(resident) + (320 << 20));

  // Ranks that only an earlier start had do not count: their logs end at an earlier step.
  const std::string memory = tiny.run_folder("measured") + "/memory/rank-0000";
  std::ifstream whole(memory + "1.jsonl");
  std::ofstream earlier(memory + "2.jsonl");
  std::string line;
  for (int step = 0; step < 10 && std::getline(whole, line); ++step) earlier << line << "\n";
  earlier.close();
  EXPECT_THAT(plan({config, "run.name=measured"}).out, HasSubstr("as 2 ranks of this run logged"));

  // Another model in the same folder is not mistaken for it.
  const ProcessResult other = plan({"--helm-values", config, "run.name=measured", "model.hidden=512"});
  EXPECT_THAT(other.out, HasSubstr("computed from the model"));
}

TEST(Plan, WithoutADatasetAnImageRunAsksForTheImageSize) {
  const TinyRun tiny;
  const std::string config = tiny.folder() / "tiny.yaml";
  const ProcessResult with = plan({config, "--json"});
  const ProcessResult without = plan({config, "data.source=/dev/null/nowhere"});
  EXPECT_EQ(without.exit_code, 2);
  EXPECT_THAT(without.err, HasSubstr("--image"));
  const ProcessResult planned = plan({config, "data.source=/dev/null/nowhere", "--image", "1x8x8", "--json"});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  for (const char* key : {"live", "peak", "stages"})
    EXPECT_EQ(nlohmann::json::parse(planned.out).at(key), nlohmann::json::parse(with.out).at(key));
  for (const char* wrong : {"8x8", "1x8x", "1x8xb", "1x0x8", "-1x8x8"}) {
    const ProcessResult refused = plan({config, std::string("--image=") + wrong});
    EXPECT_EQ(refused.exit_code, 2) << wrong;
    EXPECT_THAT(refused.err, HasSubstr("three numbers")) << wrong;
  }
}

// Black images of 8 x 9 pixels, as IDX.
void write_wide_images(const std::string& file, char count) {
  std::ofstream out(file, std::ios::binary);
  for (const char number : {char{3}, count, char{8}, char{9}}) {
    const bool is_magic = number == 3;
    out.write(is_magic ? "\0\0\x8" : "\0\0\0", 3);
    out.put(number);
  }
  out << std::string(static_cast<std::size_t>(count) * 8 * 9, '\0');
}

// What `ebb train` refuses before it trains, a plan refuses with the same words. An empty folder is no
// dataset.
TEST(Plan, FaultsOfTheDatasetAreThoseOfARun) {
  const TinyRun tiny;
  const std::string config = tiny.folder() / "tiny.yaml";
  fs::create_directory(tiny.folder() / "empty");
  const std::string empty = "data.source=" + (tiny.folder() / "empty");
  EXPECT_EQ(plan({config, empty, "--image=1x8x8"}).exit_code, 0);

  const auto pack = [&](const std::string& from, const std::string& to) {
    const ProcessResult packed =
        run({ebb_binary(), "data", "pack", tiny.folder() / from, "-o", tiny.folder() / to});
    ASSERT_EQ(packed.exit_code, 0) << packed.err;
  };
  write_wide_images(tiny.folder() / "wide.idx", 40);
  pack("train.idx", "without-test/train");
  pack("train.idx", "wide/train");
  pack("wide.idx", "wide/test");
  for (const std::string source : {"without-test", "wide"}) {
    const std::string key = "data.source=" + (tiny.folder() / source);
    const ProcessResult trained = tiny.train(1, "refused", {key});
    const ProcessResult planned = plan({config, key, "--image=1x8x8"});
    EXPECT_EQ(trained.exit_code, 3) << source << trained.err;
    EXPECT_EQ(planned.exit_code, trained.exit_code) << source << planned.out;
    EXPECT_EQ(planned.err, trained.err) << source;
  }
  const ProcessResult uneven = plan({config, "-n", "3"}), unequal = tiny.train(3, "uneven");
  EXPECT_EQ(uneven.exit_code, 2);
  EXPECT_EQ(uneven.exit_code, unequal.exit_code);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Plan, AScreenOf80ColumnsHasBarsTheLimitAndTheLargestValues) {
  const std::string config = source_dir() + "/configs/gpt2-124m.yaml";
  const ProcessResult fits = plan({config, "--device=cpu", "-n", "4", "--ranks-per-host", "2",
                                   "--host-memory", "16GiB", "--threads", "1"});
  ASSERT_EQ(fits.exit_code, 0) << fits.err;
  EXPECT_THAT(fits.out,
              AllOf(HasSubstr("one of 4 ranks\n"), HasSubstr("fits: 2 ranks need "),
                    HasSubstr("there are 16.0 GiB\n"), HasSubstr(" samples of a micro-batch on each rank\n"),
                    HasSubstr(" tokens of context\n"), HasSubstr("peak         in backward (")));
  double classes = 0, whole = 0;
  for (const std::string& line : lines_of(fits.out)) {
    EXPECT_LE(line.size(), 80U) << line;
    std::smatch row;
    if (!std::regex_match(line, row, std::regex(" {13}([a-z ]+?) +([0-9.]+) ([KMG])iB  (#* *\\|#*)")))
      continue;
    const double bytes = std::stod(row[2]) * (row[3] == "G" ? 1024 : row[3] == "M" ? 1 : 1 / 1024.0);
    (row[1] == "resident" ? whole : classes) += bytes;
  }
  EXPECT_GT(whole, 1000);
  EXPECT_NEAR(classes, whole, 0.05 * whole) << fits.out;

  const ProcessResult too_large = plan({config, "--device=cpu", "-n", "2", "--host-memory", "3GiB"});
  EXPECT_THAT(too_large.out, AllOf(HasSubstr("does not fit: 2 ranks need "), HasSubstr("too large: ")));
  for (const std::string& line : lines_of(too_large.out)) EXPECT_LE(line.size(), 80U) << line;
}

TEST(Plan, OnAGpuALanguageModelHasItsTensorsThereAndFitsOrNot) {
  const std::string config = source_dir() + "/configs/gpt2-124m.yaml";
  const ProcessResult fits = plan({config, "-n", "2", "--device", "cuda", "--device-memory", "80GiB"});
  ASSERT_EQ(fits.exit_code, 0) << fits.err;
  EXPECT_THAT(fits.out,
              AllOf(HasSubstr(" of its GPU at its peak, one of 2 ranks\n"),
                    HasSubstr("each GPU     fits: 1 rank needs "), HasSubstr("there are 80.0 GiB\n"),
                    HasSubstr("assumed"), HasSubstr(" samples of a micro-batch on each rank\n")));
  for (const std::string& line : lines_of(fits.out)) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_THAT(plan({config, "--device=cuda", "--device-memory=2GiB"}).out, HasSubstr("does not fit: 1 rank"));
  EXPECT_EQ(plan({config, "--device=cuda", "--device-memory=much"}).exit_code, 2);
  EXPECT_EQ(plan({config, "--device=cuda", "--host-memory=8GiB"}).exit_code, 2);
  EXPECT_EQ(plan({config, "--device=cpu", "--device-memory=80GiB"}).exit_code, 2);

  const auto json_of = [&](const char* device) {
    return nlohmann::json::parse(plan({config, "--json", "--device", device}).out);
  };
  const nlohmann::json cpu = json_of("cpu"), gpu = json_of("cuda");
  for (const char* held : {"parameters", "optimizer"})
    EXPECT_EQ(gpu.at("live").at(held), cpu.at("live").at(held)) << held;
  EXPECT_EQ(gpu.at("live").at("data"), 0) << "slots are in host memory";
  EXPECT_GE(gpu.at("host").at("buffers"), cpu.at("live").at("data"));
  EXPECT_GE(gpu.at("resident"), gpu.at("peak_total"));
}

TEST(Plan, OnAGpuAModelOfImagesCannotBePlannedAndTheReasonIsSaid) {
  const ProcessResult planned =
      plan({source_dir() + "/configs/vae-fashion-mnist.yaml", "--image=1x28x28", "--device=cuda"});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_THAT(planned.out, HasSubstr("cannot be planned: conv2d on GPUs cannot be"));
}

TEST(Plan, AfterARunEachClassIsBesideItsMeasurementUnlessTheShapeIsAnother) {
  const TinyRun tiny;
  const std::string config = tiny.folder() / "tiny.yaml";
  ASSERT_EQ(tiny.train(2, "seen", {"run.steps=8", "run.evaluate_every=0"}).exit_code, 0);
  const auto row = [](const std::string& text, const std::string& name) {
    std::smatch found;
    return std::regex_search(
               text, found,
               std::regex(name + " +([0-9.]+ [KM]?i?B) +([0-9.]+ [KM]?i?B) +(-?[0-9.]+ [KM]?i?B)\n"))
               ? found
               : std::smatch();
  };
  const std::string same = plan({config, "run.name=seen"}).out;
  EXPECT_THAT(same, HasSubstr("as 2 ranks of this run logged"));
  for (const char* name : {"parameters", "gradients", "optimizer", "activations", "communication", "total"}) {
    ASSERT_EQ(row(same, name).size(), 4U) << name << "\n" << same;
    EXPECT_EQ(row(same, name)[3], "0 B") << name;
  }
  for (const char* other : {"data.prefetch=7", "parallel.bucket=2MiB", "data.batch=128"})
    EXPECT_THAT(plan({config, "run.name=seen", "-n", "2", other}).out, Not(HasSubstr("logged"))) << other;
  EXPECT_THAT(plan({config, "run.name=seen", "-n", "1"}).out, Not(HasSubstr("logged")));
}

TEST(Plan, AnInvalidRateIsRefused) {
  const std::string config = source_dir() + "/configs/llama-8b.yaml";
  for (const char* rate : {"0", "fast", "-1MiB"})
    EXPECT_EQ(plan({config, std::string("--write-rate=") + rate}).exit_code, 2) << rate;
  EXPECT_EQ(plan({config, "--slots=0"}).exit_code, 2);
}

// The chart itself compares the grace period with the bytes.
TEST(Plan, TheChartAcceptsItsValues) {
  const std::string helm = source_dir() + "/.deps/bin/helm";
  if (!fs::exists(helm)) GTEST_SKIP() << "there is no helm in .deps/bin (./scripts/setup full fetches it)";
  const TemporaryFolder folder;
  const std::string config = source_dir() + "/configs/llama-8b.yaml", values = folder / "values.yaml";
  std::ofstream(values) << plan({"--helm-values", "--slots", "2", config}).out;
  const std::string line = helm + " template x --kube-version 1.34.0 " + source_dir() +
                           "/charts/ebb --set-file config=" + config +
                           " --set slotsPerWorker=2,workers=1,checkpoints.claim.size=1Ti -f " + values;
  const ProcessResult taken = run_shell(line);
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_THAT(taken.out, HasSubstr("terminationGracePeriodSeconds: 980"));
  EXPECT_NE(run_shell(line + " --set terminationGracePeriodSeconds=300").exit_code, 0)
      << "no limit was compared with it";
}

}  // namespace
}  // namespace ebb::test

// SPDX-License-Identifier: Apache-2.0
// Wrong inputs to the real program on two ranks. Each gives one message and its exit code, ends all ranks,
// and leaves earlier checkpoints unchanged to the bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in " << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

int times(const std::string& text, const std::string& word) {
  int count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

class BadInput : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun;
    first_ = tiny_->train(2, "saved", {"run.steps=20", "checkpoint.keep=5"});
  }
  static void TearDownTestSuite() {
    // After all refusals above, the earlier checkpoints are unchanged, to the bit.
    EXPECT_EQ(checkpoint_tensors(tiny_->run_folder("saved")), saved_);
    delete tiny_;
  }
  void SetUp() override {
    ASSERT_EQ(first_.exit_code, 0) << first_.err;
    if (saved_.empty()) saved_ = checkpoint_tensors(tiny_->run_folder("saved"));
  }

  // Expects a single message with all `texts`, and the exit code `code`.
  static void expect_refused(const ProcessResult& result, int code, const std::vector<std::string>& texts) {
    EXPECT_EQ(result.exit_code, code) << result.out << result.err;
    EXPECT_FALSE(result.timed_out);
    EXPECT_EQ(times(result.err, "ebb: "), 1) << result.err;
    for (const auto& text : texts) EXPECT_THAT(result.err, HasSubstr(text));
  }
  static ProcessResult train(std::vector<std::string> overrides, const std::string& name = "other") {
    return tiny_->train(2, name, std::move(overrides));
  }
  // The configuration with one part replaced, under another file name.
  static ProcessResult train_file(const std::string& from, const std::string& to) {
    const std::string path = tiny_->folder() / "changed.yaml";
    write(path, replaced(read(tiny_->folder() / "tiny.yaml"), from, to));
    return run(mpirun(2, {ebb_binary(), "train", path, "run.name=other"}));
  }
  // A copy of the training data, to be damaged.
  static fs::path data_copy() {
    const fs::path copy = tiny_->folder() / "damaged";
    fs::remove_all(copy);
    fs::copy(tiny_->folder() / "data", copy, fs::copy_options::recursive);
    return copy;
  }
  static ProcessResult train_on(const fs::path& data) { return train({"data.source=" + data.string()}); }
  // A copy of the run with its checkpoints of steps 10 and 20, to be damaged and resumed.
  static fs::path run_copy() {
    const fs::path copy = tiny_->run_folder("copy");
    fs::remove_all(copy);
    fs::copy(tiny_->run_folder("saved"), copy, fs::copy_options::recursive);
    fs::remove(copy / "results.json");
    return copy;
  }
  static ProcessResult go_on(std::vector<std::string> overrides = {}) {
    overrides.insert(overrides.begin(), {"run.steps=20", "checkpoint.keep=5"});
    return train(std::move(overrides), "copy");
  }
  static fs::path newest(const fs::path& run) { return run / "checkpoints/step-00000020"; }

  static TinyRun* tiny_;
  static ProcessResult first_;
  static std::map<std::string, std::string> saved_;
};
TinyRun* BadInput::tiny_ = nullptr;
ProcessResult BadInput::first_;
std::map<std::string, std::string> BadInput::saved_;

TEST_F(BadInput, AnUnknownKeyIsNamedWithItsLineAndTheNearestKnown) {
  expect_refused(train_file("latent:", "latnt:"), 2, {"changed.yaml:2", "model.latnt", "model.latent"});
}

TEST_F(BadInput, AKeyGivenTwice) {
  expect_refused(train_file("latent: 4", "latent: 4, latent: 5"), 2,
                 {"changed.yaml:2", "model.latent", "twice"});
}

TEST_F(BadInput, AWrongType) {
  expect_refused(train_file("width: 8", "width: wide"), 2,
                 {"changed.yaml:2", "model.width", "wide", "integer"});
}

TEST_F(BadInput, AValueOutOfRange) {
  expect_refused(train_file("lr: 0.01", "lr: -1"), 2, {"changed.yaml:5", "optimizer.lr", "-1", "above 0"});
}

TEST_F(BadInput, TwoKeysThatExcludeEachOther) {
  expect_refused(
      train({"parallel.backend=nccl", "run.device=cpu"}), 2,
      {"override `run.device=cpu`", "`parallel.backend` and `run.device`", "parallel.backend=auto"});
  expect_refused(train_file("batch: 32", "batch: 32, micro_batches: 5"), 2,
                 {"changed.yaml:3", "`data.batch`", "`data.micro_batches`", "32", "multiple of 5"});
}

TEST_F(BadInput, AnOverrideOfAKeyThatIsNotThere) {
  expect_refused(train({"optimiser.lr=1"}), 2, {"optimiser.lr", "optimizer.lr"});
}

TEST_F(BadInput, AFileThatIsNotThere) {
  expect_refused(run(mpirun(2, {ebb_binary(), "train", "/nowhere/run.yaml"})), 2,
                 {"/nowhere/run.yaml", "No such file"});
}

TEST_F(BadInput, AnEmptyDataset) {
  const fs::path data = data_copy();
  write(data / "train/index.json", R"({"version": 2, "shards": []})");
  expect_refused(train_on(data), 3, {(data / "train").string(), "no samples"});
}

TEST_F(BadInput, AShardCutShort) {
  const fs::path data = data_copy(), shard = data / "train/shard.00001.mds";
  ASSERT_TRUE(fs::exists(shard));
  fs::resize_file(shard, fs::file_size(shard) / 2);
  expect_refused(train_on(data), 3, {shard.string(), std::to_string(fs::file_size(shard))});
}

TEST_F(BadInput, AShardWithAWrongHash) {
  const fs::path data = data_copy(), shard = data / "train/shard.00001.mds";
  std::string bytes = read(shard);
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  write(shard, bytes);
  expect_refused(train_on(data), 3, {shard.string(), "xxh3_64", "damaged"});
}

TEST_F(BadInput, OffsetsThatGoBackwards) {
  const fs::path data = data_copy(), shard = data / "train/shard.00001.mds";
  std::string bytes = read(shard);
  const std::string hash = digest_hex(bytes);
  std::swap_ranges(bytes.begin() + 12, bytes.begin() + 16, bytes.begin() + 16);  // those of samples 2 and 3
  write(shard, bytes);
  write(data / "train/index.json", replaced(read(data / "train/index.json"), hash, digest_hex(bytes)));
  expect_refused(train_on(data), 3, {shard.string(), "sample 3 of ", "is smaller"});
}

// Images of bytes cannot contain NaN. A dataset of floating-point values could, and is refused before any
// value is read.
TEST_F(BadInput, ImagesOfNumbersThatMayBeNanAreRefused) {
  const fs::path data = data_copy(), index = data / "train/index.json";
  auto json = nlohmann::json::parse(read(index));
  for (auto& shard : json["shards"]) {
    for (std::size_t i = 0; i < shard["column_names"].size(); ++i) {
      if (shard["column_names"][i] != "image") continue;
      shard["column_encodings"][i] = "ndarray:float32:1,4,4";  // the same 64 bytes a sample
    }
  }
  write(index, json.dump());
  for (const auto& entry : fs::directory_iterator(data / "train")) {
    if (entry.path().extension() != ".mds") continue;
    std::string bytes = read(entry.path());
    const float values[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
    std::memcpy(bytes.data() + bytes.size() - sizeof values, values, sizeof values);
    write(entry.path(), bytes);
  }
  expect_refused(train_on(data), 3, {(data / "train").string(), "ndarray:float32:1,4,4", "uint8"});
}

TEST_F(BadInput, WhatIsNoIdxFileIsNotPacked) {
  const std::string text = tiny_->folder() / "tiny.yaml";
  expect_refused(run({ebb_binary(), "data", "pack", text, "-o", tiny_->folder() / "packed"}), 3,
                 {text, "IDX"});
  EXPECT_FALSE(fs::exists(fs::path(tiny_->folder() / "packed") / "index.json"));
}

TEST_F(BadInput, ABatchThatTheRanksCannotShare) {
  expect_refused(train({"data.batch=33"}), 2, {"data.batch", "33", "2 ranks"});
}

TEST_F(BadInput, FewerRanksThanExpected) {
  expect_refused(train({"parallel.ranks=4"}), 5, {"4 ranks are expected", "2 were started"});
}

TEST_F(BadInput, ARunFolderThatCannotBeMade) {
  const std::string file = tiny_->folder() / "tiny.yaml";
  expect_refused(train({"run.dir=" + file}), 8, {file + "/other"});
}

TEST_F(BadInput, ACheckpointOfAnotherModelIsRefusedAndKept) {
  const auto copy = run_copy();
  const auto before = checkpoint_tensors(copy);
  expect_refused(go_on({"model.width=16"}), 2,
                 {"model.width: saved with 8, now 16; the saved tensors depend on it", "run.name="});
  expect_refused(go_on({"model.width=16", "checkpoint.resume=force"}), 7, {"step-00000020", "another model"});
  EXPECT_EQ(checkpoint_tensors(copy), before);
}

TEST_F(BadInput, ACheckpointOfALaterFormatIsRefusedAndKept) {
  const auto copy = run_copy();
  const fs::path manifest = newest(copy) / "manifest.json";
  const std::string later = replaced(read(manifest), "\"version\": 2", "\"version\": 9");
  write(manifest, later);
  write(newest(copy) / "DONE", "manifest.json xxh3 " + digest_hex(later) + "\n");
  // A checkpoint of a newer ebb must not count as damaged, and training must not overwrite it.
  expect_refused(go_on(), 7, {"step-00000020", "version 9"});
  EXPECT_EQ(read(manifest), later);
}

TEST_F(BadInput, ADamagedCheckpointIsNamedAndTheOneBeforeItUsed) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(newest(tiny_->run_folder("saved"))))
    names.push_back(entry.path().filename());
  ASSERT_GE(names.size(), 4U);  // two shards, the manifest, the marker
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const auto copy = run_copy();
    const fs::path file = newest(copy) / name;
    std::string bytes = read(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    write(file, bytes);
    const ProcessResult result = go_on();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(result.out + result.err,
                AllOf(HasSubstr("step-00000020"), HasSubstr("resumes from step 10")));
    EXPECT_EQ(checkpoint_tensors(copy), checkpoint_tensors(tiny_->run_folder("saved")));
  }
}

TEST_F(BadInput, ACheckpointWithoutOneOfItsShardsIsPassedOver) {
  const auto copy = run_copy();
  for (const auto& entry : fs::directory_iterator(newest(copy)))
    if (entry.path().string().ends_with("1.safetensors")) fs::remove(entry.path());
  const ProcessResult result = go_on();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out + result.err, AllOf(HasSubstr("step-00000020"), HasSubstr("resumes from step 10")));
}

TEST_F(BadInput, ALossThatDivergesEndsWithTheLastCompleteCheckpointNamed) {
  const auto copy = run_copy();
  const auto before = checkpoint_tensors(copy);
  const ProcessResult result =
      go_on({"run.steps=400", "optimizer.lr=1e4", "optimizer.clip_norm=1e9", "checkpoint.resume=force"});
  expect_refused(result, 6, {"floor", "step 20", "checkpoints"});
  EXPECT_EQ(checkpoint_tensors(copy), before);
}

TEST_F(BadInput, AShortRunWhoseLossIsNotFiniteDoesNotEndWithZero) {
  for (const std::string dtype : {"fp32", "bf16"}) {
    const ProcessResult result = train({"run.steps=6", "precision.dtype=" + dtype, "optimizer.lr=1e30",
                                        "optimizer.clip_norm=0", "optimizer.schedule.warmup_steps=0"},
                                       "not-finite-" + dtype);
    expect_refused(result, 6,
                   {"of the last step, 5 (phase vae), is not finite", "there is no checkpoint yet"});
  }
}

TEST_F(BadInput, AFolderWhoseHolderWasKilledIsFreeAtOnce) {
  Process first(tiny_->command(1, "killed", {"run.steps=100000"}));
  ASSERT_TRUE(first.wait_for_output("global batch"));
  first.signal(SIGKILL);
  EXPECT_EQ(first.wait().exit_code, 128 + SIGKILL);
  const ProcessResult second =
      tiny_->train(1, "killed", {"run.steps=5", "run.when_held=refuse", "checkpoint.resume=force"});
  EXPECT_EQ(second.exit_code, 0) << second.err;
}

// The first was killed on a host that is gone: only the missing renewals show it.
TEST_F(BadInput, AFolderWhoseHolderIsOutOfSightIsFreeWhenItsLeaseHasExpired) {
  Process first(tiny_->command(1, "expired", {"run.steps=100000", "run.lease_expires=3s"}));
  ASSERT_TRUE(first.wait_for_output("global batch")) << first.err();
  first.signal(SIGKILL);
  (void)first.wait();
  const std::string lease = tiny_->run_folder("expired") + "/lease.json";
  auto holder = nlohmann::json::parse(read(lease));
  holder["host"] = "a-host-that-is-gone";
  write(lease, holder.dump());
  const std::vector<std::string> five = {"run.steps=5", "run.lease_expires=3s", "checkpoint.resume=force"};
  const ProcessResult second = tiny_->train(1, "expired", five);
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.out + second.err, HasSubstr("a-host-that-is-gone"));
}

// A separate tmpfs, too small for the files of the run.
class FullDisk : public BadInput {
 protected:
  void SetUp() override {
    BadInput::SetUp();
    if (::geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
    disk_ = tiny_->folder() / "disk";
    fs::create_directories(disk_);
    if (::system(("mount -t tmpfs -o size=1m tmpfs " + disk_ + " 2>/dev/null").c_str()) != 0)
      GTEST_SKIP() << "this machine does not let root mount a tmpfs";
    mounted_ = true;
  }
  void TearDown() override {
    if (!mounted_) return;
    // It may be busy for a moment, until the kernel has removed the killed processes.
    int left = 50;
    while (::system(("umount " + disk_ + " 2>/dev/null").c_str()) != 0 && --left > 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_GT(left, 0) << "a rank still holds " << disk_;
  }
  // Leaves `kib` free.
  void fill(int kib) const {
    const auto free = static_cast<int>(fs::space(disk_).available / 1024);
    write(disk_ + "/filler", std::string(static_cast<std::size_t>(free - kib) * 1024, 'x'));
  }
  std::string disk_;
  bool mounted_ = false;
};

TEST_F(FullDisk, WhilePacking) {
  fill(8);
  const ProcessResult result =
      run({ebb_binary(), "data", "pack", tiny_->folder() / "train.idx", "-o", disk_ + "/packed"});
  expect_refused(result, 8, {disk_, "No space left"});
  EXPECT_FALSE(fs::exists(disk_ + "/packed/index.json"));
}

TEST_F(FullDisk, WhatIsMountedReadOnlyIsRefusedBeforeTraining) {
  ASSERT_EQ(::system(("mount -o remount,ro " + disk_).c_str()), 0);
  expect_refused(train({"run.dir=" + disk_}), 8, {disk_, "Read-only file system"});
}

TEST_F(FullDisk, WhileLogging) {
  fill(64);
  expect_refused(train({"run.dir=" + disk_, "checkpoint.every=0", "run.steps=2000"}), 8,
                 {disk_, "No space left"});
}

TEST_F(FullDisk, WhileSavingAndTheCheckpointBeforeIsWhole) {
  const std::vector<std::string> overrides = {"run.dir=" + disk_, "run.steps=60", "memory.log_every=1000"};
  ASSERT_EQ(train({"run.dir=" + disk_, "run.steps=10", "memory.log_every=1000"}).exit_code, 0);
  const auto before = checkpoint_tensors(disk_ + "/other");
  fs::remove(disk_ + "/other/results.json");
  fill(60);
  std::vector<std::string> more = overrides;
  more.emplace_back("checkpoint.resume=force");
  expect_refused(train(more), 8, {disk_, "No space left"});
  EXPECT_EQ(checkpoint_tensors(disk_ + "/other"), before);
}

}  // namespace
}  // namespace ebb::test

// SPDX-License-Identifier: Apache-2.0
#include "support/tiny_run.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "data/mds/pack_idx.h"
#include "data/tokens/pack_text.h"

namespace ebb::test {

namespace {

// 8x8 images whose pixels follow a rule, as IDX.
void write_idx(const std::string& path, std::uint32_t count) {
  std::ofstream file(path, std::ios::binary);
  const auto big_endian = [&](std::uint32_t v) {
    for (const int shift : {24, 16, 8, 0}) file.put(static_cast<char>(v >> shift));
  };
  big_endian(0x00000803);
  big_endian(count);
  big_endian(8);
  big_endian(8);
  for (std::uint32_t i = 0; i < count; ++i)
    for (std::uint32_t pixel = 0; pixel < 64; ++pixel)
      file.put(static_cast<char>(pixel % 8 < 2 + i % 4 ? 200 + i % 50 : 10));
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TinyRun::TinyRun(Of what) {
  std::ofstream config(folder_ / "tiny.yaml");
  config << "run: {name: tiny, dir: " << (folder_ / "runs") << ", steps: 30, evaluate_every: 0}\n";
  if (what == Of::images) {
    make_images();
    config << "model: {kind: vae, latent: 4, width: 8, hidden: 32}\n"
           << "data: {source: " << (folder_ / "data") << ", batch: 32}\n";
  } else {
    make_text();
    config << "model: {kind: gpt, layers: 2, heads: 2, dim: 32}\n"
           << "data: {source: " << (folder_ / "data") << ", batch: 8, format: tokens, context: 32, "
           << "tokenizer: bytes}\n";
  }
  config << "precision: {loss_scale: {initial: 1024}}\n"
         << "optimizer: {lr: 0.01, schedule: {warmup_steps: 5}}\n"
         << "parallel: {threads: 1, timeout: 60s}\n"
         << "checkpoint: {every: 10}\n";
}

void TinyRun::make_images() {
  for (const auto& [split, count] : {std::pair<std::string, int>{"train", 500}, {"test", 70}}) {
    write_idx(folder_ / (split + ".idx"), static_cast<std::uint32_t>(count));
    data::PackOptions options;
    options.images = folder_ / (split + ".idx");
    options.out = folder_ / ("data/" + split);
    options.shard_bytes = 8000;
    data::pack_idx(options, [](std::int64_t, std::int64_t) {});
  }
}

void TinyRun::make_text() {
  std::ofstream text(folder_ / "text.txt");
  for (int i = 0; i < 600; ++i)
    text << "line " << i << " is " << (i % 3 == 0 ? "short" : "a longer one") << ".\n";
  text.close();
  data::PackTextOptions options;
  options.inputs.files = {folder_ / "text.txt"};
  options.out = folder_ / "data";
  options.test_share = 0.1;
  data::pack_text(options, *data::make_tokenizer("bytes"), nullptr);
}

std::vector<std::string> TinyRun::command(int ranks, const std::string& name,
                                          std::vector<std::string> overrides) const {
  std::vector<std::string> argv{ebb_binary(), "train", folder_ / "tiny.yaml", "run.name=" + name};
  argv.insert(argv.end(), overrides.begin(), overrides.end());
  return ranks == 1 ? argv : mpirun(ranks, argv);
}

std::vector<std::string> TinyRun::launch(const std::string& name,
                                         const std::vector<std::string>& overrides) const {
  std::vector<std::string> argv{ebb_binary(), "launch", "-n", "2", folder_ / "tiny.yaml", "run.name=" + name};
  argv.insert(argv.end(), overrides.begin(), overrides.end());
  return argv;
}

ProcessResult TinyRun::train(int ranks, const std::string& name, std::vector<std::string> overrides,
                             std::chrono::milliseconds limit) const {
  ProcessOptions options;
  options.limit = limit;
  return run(command(ranks, name, std::move(overrides)), options);
}

std::vector<nlohmann::json> json_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::vector<nlohmann::json> memory_lines(const std::string& run_folder, int rank) {
  char file[40];
  std::snprintf(file, sizeof file, "/memory/rank-%05d.jsonl", rank);
  std::vector<nlohmann::json> lines = json_lines(run_folder + file);
  nlohmann::json whole;
  for (nlohmann::json& line : lines) {
    if (line.contains("live")) {
      whole = line;
      for (const char* now : {"outside", "kept", "cgroup"}) whole.erase(now);  // not those of other steps
    } else {
      nlohmann::json merged = whole;
      merged.update(line);
      line = merged;
    }
  }
  return lines;
}

std::map<int, double> losses(const std::string& run_folder) {
  std::map<int, double> result;
  for (const nlohmann::json& line : json_lines(run_folder + "/metrics.jsonl"))
    if (line.contains("loss")) result[line.at("step").get<int>()] = line.at("loss").get<double>();
  return result;
}

std::map<std::string, std::string> checkpoint_tensors(const std::string& run_folder) {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(run_folder + "/checkpoints"))
    if (std::filesystem::exists(entry.path() / "DONE")) folders.push_back(entry.path());
  if (folders.empty()) throw std::runtime_error("no checkpoint in " + run_folder);
  std::map<std::string, std::string> tensors;
  for (const auto& entry :
       std::filesystem::directory_iterator(*std::max_element(folders.begin(), folders.end()))) {
    if (entry.path().extension() != ".safetensors") continue;
    const std::string bytes = read(entry.path());
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, bytes.data(), 8);
    const nlohmann::json header = nlohmann::json::parse(bytes.substr(8, header_bytes));
    for (const auto& [name, about] : header.items()) {
      if (name == "__metadata__") continue;
      const std::uint64_t begin = about.at("data_offsets").at(0), end = about.at("data_offsets").at(1);
      tensors[name] = bytes.substr(8 + header_bytes + begin, end - begin);
    }
  }
  return tensors;
}

}  // namespace ebb::test

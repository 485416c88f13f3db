// SPDX-License-Identifier: Apache-2.0
#include "train/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "checkpoint/lease_file.h"
#include "config/document.h"
#include "core/sample.h"
#include "data/tokenizer.h"

namespace ebb::train {

void RunConfig::describe(config::Section& s) {
  using checkpoint::WhenHeld;
  s.text("name", name)
      .required()
      .file_name()
      .doc("Name of the run: its folder below run.dir.")
      .free_to_change();
  s.text("dir", dir).doc("Folder that holds runs.").free_to_change();
  s.integer("seed", seed).at_least(0).doc("All random numbers of the run are a function of the seed.");
  s.integer("steps", steps).at_least(1).unit("steps").doc("Training steps of the whole run.");
  s.integer("evaluate_every", evaluate_every)
      .at_least(0)
      .unit("steps")
      .doc("Steps between two evaluations on the test split. 0: only at the end.")
      .free_to_change();
  s.integer("sample_every", sample_every)
      .at_least(0)
      .unit("steps")
      .doc("Steps between two sets of generated samples, in RUN/samples. 0: only at the end.")
      .free_to_change();
  s.flag("samples", samples)
      .doc("Write generated samples at the end, in RUN. Their files depend on model.kind.")
      .free_to_change();
  s.choice("on_divergence", on_divergence,
           {{"warn", OnDivergence::warn}, {"stop", OnDivergence::stop}, {"rollback", OnDivergence::rollback}})
      .doc(
          "What the run does when its loss grows or a network collapses. warn: print a warning. stop: end "
          "with code 6. rollback: go back to a checkpoint from before the failure, delete later ones, and "
          "skip the samples since then. A run whose losses or gradients stay infinite or NaN ends with "
          "code 6; with rollback it goes back.")
      .free_to_change();
  s.choice("device", device,
           {{"auto", DeviceKind::automatic}, {"cpu", DeviceKind::cpu}, {"cuda", DeviceKind::cuda}})
      .doc("Device of the tensors. auto: a GPU for each rank if there are enough, else the CPU.")
      .free_to_change();
  s.choice("isa", isa, {"auto", "avx512", "avx2", "scalar"})
      .doc(
          "Instruction set of the kernels on the CPU. auto: the largest that the processor has. Workspaces "
          "and the last bits of products depend on it.")
      .free_to_change();
  s.flag("share_gpus", share_gpus)
      .doc(
          "Allow more ranks than GPUs: ranks share a GPU. It is for trying many ranks on one GPU. NCCL "
          "supports it from 2.30 on, with NCCL_MULTI_RANK_GPU_ENABLE=1.")
      .free_to_change();
  s.choice("when_held", when_held, {{"wait", WhenHeld::wait}, {"refuse", WhenHeld::refuse}})
      .doc("What a second run in the same folder does: wait until the first ends, or end with code 2.")
      .free_to_change();
  s.duration("lease_expires", lease_expires_s)
      .at_least(3)
      .at_most(checkpoint::kLongestExpiry_s)
      .doc(
          "A run that has not renewed its lease for this long counts as ended, and another may use its "
          "folder.")
      .free_to_change();
}

void LaunchConfig::describe(config::Section& s) {
  s.duration("stall", stall_s)
      .at_least(0)
      .doc(
          "ebb launch ends the run with code 8 if no rank has made progress for this long: a step or a stage "
          "begins, memory is allocated, or a file is read or written. Until the first rank has started, it "
          "waits at least a minute. 0: it waits for ever.")
      .free_to_change();
  s.rule({"stall"}, [this]() -> std::string {
    constexpr double kLeast_s = 1;
    if (stall_s == 0 || stall_s >= kLeast_s) return "";
    return "ranks report several times within this time: set it to 1s or more, or to 0";
  });
}

models::RunFacts Config::facts() const {
  models::RunFacts facts;
  facts.data_context = data.context;
  facts.tokenizer = data.tokenizer;
  facts.tokenizer_vocabulary = [name = data.tokenizer] { return data::make_tokenizer(name)->vocabulary(); };
  facts.requires_gpu = run.device == DeviceKind::cuda;
  facts.dtype = precision.dtype;
  return facts;
}

void Config::describe(config::Section& s) {
  s.section("run", run, "The run: its folder and its length.");
  s.section("model", model, "The model.");
  s.section("data", data, "The dataset.");
  s.section("precision", precision, "Number formats.");
  s.section("optimizer", optimizer, "The update of the weights.");
  s.section("average", average, "Moving average of the weights, for evaluation and generated samples.");
  describe_trainees(s);
  s.section("parallel", parallel, "The cooperation of ranks.");
  s.section("memory", memory, "Accounting and limits of memory.");
  s.section("checkpoint", checkpoint, "Saving and resuming.");
  s.section("telemetry", telemetry, "Progress and metrics.");
  s.section("evaluate", evaluate, "Measures of generated images, in each evaluation.");
  s.section("launch", launch, "What `ebb launch` does about ranks that stand still.");
  s.rule({"model.kind", "data.format"}, [this] { return model.missing_fields(data.entry().fields); });
  for (models::FamilyRule& rule : model.rules())
    s.rule(std::move(rule.keys), [this, problem = std::move(rule.problem)] { return problem(facts()); });
  s.rule({"parallel.backend", "run.device"}, [this]() -> std::string {
    if (parallel.backend != comm::Backend::nccl || run.device != DeviceKind::cpu) return "";
    return "nccl moves tensors between GPUs, and run.device=cpu uses none: set parallel.backend=auto, or "
           "run.device=cuda";
  });
  s.rule({"parallel.backend", "parallel.ranks"}, [this]() -> std::string {
    if (parallel.backend != comm::Backend::single || parallel.ranks <= 1) return "";
    return fmt::format("single is for one rank, and parallel.ranks expects {}: set parallel.backend=auto",
                       parallel.ranks);
  });
  s.rule({"run.on_divergence", "checkpoint.every"}, [this]() -> std::string {
    if (run.on_divergence != OnDivergence::rollback || checkpoint.every > 0) return "";
    return "rollback needs checkpoints to go back to: set checkpoint.every above 0";
  });
  s.rule({"evaluate.features", "evaluate.samples"}, [this]() -> std::string {
    if (evaluate.features.empty() || evaluate.samples > 0) return "";
    return "features are those of generated images, and evaluate.samples is 0: set it above 0";
  });
  s.rule({"data.batch", "data.micro_batches", "parallel.ranks"}, [this]() -> std::string {
    const std::int64_t parts = data.micro_batch_count() * std::max<std::int64_t>(parallel.ranks, 1);
    if (data.batch % parts == 0) return "";
    return fmt::format(
        "a batch of {} samples does not divide into {} equal parts ({} micro-batches{}): set data.batch to a "
        "multiple of {}",
        data.batch, parts, data.micro_batch_count(),
        parallel.ranks > 1 ? fmt::format(" on each of {} ranks", parallel.ranks) : "", parts);
  });
}

// Describes a section for each trainee of a family with several, if that family is chosen.
void Config::describe_trainees(config::Section& s) {
  std::map<std::string, std::vector<std::string>> families_of;
  for (const models::Family& family : model.families()) {
    if (family.trainees.size() < 2) continue;
    for (const std::string& trainee : family.trainees) families_of[trainee].push_back(family.name);
  }
  for (const auto& entry : families_of) {
    // Clang 14 cannot capture structured bindings in a lambda.
    const std::string& trainee = entry.first;
    const std::vector<std::string>& names = entry.second;
    s.only_where(
        fmt::format("model.kind is {}", fmt::join(names, " or ")),
        [this, names] { return std::ranges::find(names, model.family().name) != names.end(); },
        [&](config::Section& keys) {
          config::Section& own = keys.child(trainee, fmt::format("Training of the {}.", trainee));
          TraineeConfig& values =
              trainees.try_emplace(trainee, TraineeConfig{optimizer, average}).first->second;
          own.section("optimizer", values.optimizer,
                      "Keys that differ from those of the section optimizer, their default.");
          own.section("average", values.average,
                      "Keys that differ from those of the section average, their default.");
        });
  }
}

TraineeConfig Config::trainee(const std::string& name) const {
  const auto own = trainees.find(name);
  return own == trainees.end() ? TraineeConfig{optimizer, average} : own->second;
}

config::Section described(Config& config) {
  config::Section section;
  config.describe(section);
  return section;
}

namespace {

void load_with(Config& config, const std::function<config::References(config::Section&)>& read) {
  {
    config::Section section = described(config);
    config.references = read(section);
  }
  if (!config.trainees.empty()) {
    // Their defaults are the sections optimizer and average, which are complete only now.
    config.trainees.clear();
    config::Section section = described(config);
    config.references = read(section);
  }
  config.data.resolve_format();
}

}  // namespace

void load(Config& config, const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  load_with(config, [&](config::Section& section) { return config::load(file, overrides, section); });
}

void load_text(Config& config, const std::string& yaml, const std::string& name,
               const std::vector<std::string>& overrides) {
  load_with(config,
            [&](config::Section& section) { return config::load_text(yaml, name, overrides, section); });
}

void load_saved(Config& config, const std::string& yaml, const std::string& name,
                const std::vector<std::string>& overrides, const std::vector<std::string>& defaulted) {
  load_with(config, [&](config::Section& section) {
    return config::load_saved(yaml, name, overrides, section, defaulted);
  });
}

std::string resolved_yaml(Config& config) {
  return config::resolved_yaml(described(config), config.references);
}

}  // namespace ebb::train

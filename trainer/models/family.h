// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/section.h"
#include "core/sample.h"
#include "models/hub_format.h"
#include "numerics/config.h"

// The part of a family of models that needs no LibTorch: its keys, rules and texts. The registry is a value:
// `main` makes it and passes it down.
namespace ebb::models {

class Model;
struct ModelInputs;

// Values from other sections of the configuration, for the rules and texts of a family.
struct RunFacts {
  std::int64_t data_context = 0;                       // data.context
  std::string tokenizer = "none";                      // data.tokenizer
  std::function<std::int64_t()> tokenizer_vocabulary;  // of a tokenizer other than "none"; throws Error
  bool requires_gpu = false;                           // run.device is cuda
  numerics::Dtype dtype = numerics::Dtype::fp16;
};

// A rule over several keys, of the model and of other sections.
struct FamilyRule {
  std::vector<std::string> keys;                        // whole paths: "model.context", "data.context"
  std::function<std::string(const RunFacts&)> problem;  // returns the fault and its remedy; empty: none
};

// The keys of one family with their values.
class FamilyConfig {
 public:
  virtual ~FamilyConfig() = default;
  [[nodiscard]] virtual std::unique_ptr<FamilyConfig> clone() const = 0;
  virtual void describe(config::Section& s) = 0;
  // The rules refer to this object, which must outlive them.
  [[nodiscard]] virtual std::vector<FamilyRule> rules() const = 0;
  // Token ids of the data must be below it; 0: the family reads no tokens.
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;
  // The value of model.classes, if these values read labels, which must be in [0, classes). Empty: they read
  // none.
  [[nodiscard]] virtual std::optional<std::int64_t> classes() const = 0;
  // The model's context in tokens. Empty: that of a sample of the data, or the family reads no tokens.
  [[nodiscard]] virtual std::optional<std::int64_t> context() const = 0;
  // Fields of a batch that these values need beside Family::reads.
  [[nodiscard]] virtual std::vector<std::string> further_fields() const = 0;
  // Folder of weights that training starts from; empty: initial values are drawn by the seed.
  [[nodiscard]] virtual std::string initial_weights() const = 0;
};

// A plain struct with describe() as a FamilyConfig. Uses the members rules(), further_fields(),
// label_classes(), vocabulary, context and weights of the struct, if it has them.
template <class C>
class FamilyConfigOf final : public FamilyConfig {
 public:
  FamilyConfigOf() = default;
  explicit FamilyConfigOf(C from) : value(std::move(from)) {}
  [[nodiscard]] std::unique_ptr<FamilyConfig> clone() const override {
    return std::make_unique<FamilyConfigOf>(value);
  }
  void describe(config::Section& s) override { value.describe(s); }
  [[nodiscard]] std::vector<FamilyRule> rules() const override {
    if constexpr (requires { value.rules(); }) return value.rules();
    return {};
  }
  [[nodiscard]] std::int64_t vocabulary() const override {
    if constexpr (requires { value.vocabulary; }) return value.vocabulary;
    return 0;
  }
  [[nodiscard]] std::optional<std::int64_t> classes() const override {
    if constexpr (requires { value.label_classes(); }) return value.label_classes();
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> context() const override {
    if constexpr (requires { value.context; }) return value.context;
    return std::nullopt;
  }
  [[nodiscard]] std::vector<std::string> further_fields() const override {
    if constexpr (requires { value.further_fields(); }) return value.further_fields();
    return {};
  }
  [[nodiscard]] std::string initial_weights() const override {
    if constexpr (requires { value.weights; }) return value.weights;
    return "";
  }

  C value;
};

// Converts a FamilyConfig to the struct C of its family. Error(internal) if it belongs to another family.
template <class C>
const C& config_of(const FamilyConfig& config) {
  const auto* own = dynamic_cast<const FamilyConfigOf<C>*>(&config);
  if (own == nullptr)
    throw Error(ExitCode::internal, "the configuration belongs to another family of models");
  return own->value;
}
template <class C>
C& config_of(FamilyConfig& config) {
  return const_cast<C&>(config_of<C>(std::as_const(config)));
}

// The estimate of log p(x) by a BoundEstimator.
struct LikelihoodBound {
  double nats = 0;  // mean over the samples
  std::int64_t draws = 1;
  std::int64_t dimensions = 0;  // of a sample
  bool is_discrete = false;
};

// The text that the target tokens of the samples stand for.
struct TextSize {
  std::int64_t tokens = 0;
  std::int64_t bytes = 0;  // 0: the tokens stand for no text
};

// The result of an evaluation.
struct TestResult {
  double loss = 0;
  std::vector<std::pair<std::string, double>> terms;  // of the loss, by name
  std::int64_t samples = 0;
  std::string split = "test";                           // of the dataset
  std::optional<LikelihoodBound> bound = std::nullopt;  // empty: not estimated
  std::optional<TextSize> text = std::nullopt;          // empty: not counted
};

// One number of an evaluation.
struct Measure {
  std::string name;  // in files; of [a-z_]+
  double value = 0;
  std::string line;  // for people: "3.41 bits per dimension"; empty: not shown
};

// A file that Model::write_samples leaves in the run's folder.
struct SampleFile {
  std::string name, doc;
};

// The texts of a run about a family's results and samples.
struct FamilyTexts {
  // "test loss 1.4612 nats per token (...), mean of 3417 windows of 128 tokens"
  std::function<std::string(const TestResult&, const RunFacts&)> result;
  // The measures that a result determines, in the order in which they are shown. Null: none.
  std::function<std::vector<Measure>(const TestResult&)> measures = nullptr;
  std::function<std::string(const RunFacts&)> sample_options;  // options of the `ebb sample` command shown
  std::vector<SampleFile> sample_files;
};

// The unit of throughput besides samples, such as tokens.
struct ThroughputUnit {
  // In the plural, of [a-z_]+, such as "tokens"; names metrics, so "samples" and "steps" are taken. Empty:
  // throughput is shown in samples alone.
  std::string name;
  std::function<std::int64_t(const core::SampleSpec&)> per_sample;  // null where `name` is empty
};

struct Family {
  std::string name;                               // the word of model.kind
  std::string doc;                                // "a variational autoencoder of images"
  std::vector<std::string> reads;                 // fields of a batch: core::kImageField, core::kTokensField
  std::vector<std::string> trainees = {"model"};  // the networks, each with its own optimizer
  ThroughputUnit throughput;
  FamilyTexts texts;
  std::function<std::unique_ptr<FamilyConfig>()> new_config;
  std::shared_ptr<const HubFormat> hub;  // null: the library `transformers` has no such models
  // Null in a program without LibTorch.
  std::function<std::unique_ptr<Model>(const FamilyConfig&, const ModelInputs&)> make_model;
};

// The first is the default of model.kind.
using Families = std::vector<Family>;

// The values of model_type in config.json that one of the families reads.
std::vector<std::string> hub_model_types(const Families& families);

}  // namespace ebb::models

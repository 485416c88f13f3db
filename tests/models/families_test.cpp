// SPDX-License-Identifier: Apache-2.0
#include "models/families.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "config/document.h"
#include "models/built_in.h"
#include "models/config.h"
#include "models/model.h"

namespace ebb::models {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A family of the tests, beside the built-in ones. Only this family reads latents.
struct MixtureConfig {
  std::int64_t components = 2;
  void describe(config::Section& s) { s.integer("components", components).at_least(1).doc("Gaussians."); }
  [[nodiscard]] std::vector<FamilyRule> rules() const {
    return {{{"model.components"}, [this](const RunFacts& facts) -> std::string {
               return components > facts.data_context ? "too many components" : "";
             }}};
  }
};

class MixtureModel final : public Model {
 public:
  explicit MixtureModel(const ModelInputs& inputs) : Model(inputs.sample) {}
  std::vector<core::Phase*> phases() override { return {}; }
  void write_samples(SampleSource&, SampleSink&, core::UnitRunner&) override {}
};

Families with_a_mixture() {
  Families families = built_in_families();
  Family mixture;
  mixture.name = "mixture";
  mixture.doc = "a mixture of Gaussians of latents";
  mixture.reads = {std::string(core::kLatentField)};
  mixture.new_config = [] { return std::make_unique<FamilyConfigOf<MixtureConfig>>(); };
  mixture.make_model = [](const FamilyConfig&, const ModelInputs& inputs) {
    return std::make_unique<MixtureModel>(inputs);
  };
  families.push_back(std::move(mixture));
  return families;
}

void read(ModelConfig& config, const std::string& yaml) {
  config::Section section;
  config.describe(section);
  config::load_text(yaml, "test", {}, section);
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

TEST(Families, OneMoreIsConfiguredAndMadeLikeTheOthers) {
  ModelConfig config(with_a_mixture());
  EXPECT_EQ(config.family().name, "vae");  // the first is the default
  read(config, "{kind: mixture, components: 5}");
  EXPECT_EQ(config.family().name, "mixture");
  EXPECT_EQ(config_of<MixtureConfig>(config.chosen()).components, 5);
  const core::SampleSpec latents{{{std::string(core::kLatentField), core::ElementType::f32, {4, 2, 2}}}};
  const auto model = make_model(config, latents, numerics::Dtype::fp32, at::kCPU, 1);
  EXPECT_NE(dynamic_cast<MixtureModel*>(model.get()), nullptr);
  EXPECT_EQ(model->image_sampler(), nullptr);
  EXPECT_EQ(model->bound_estimator(), nullptr);
}

TEST(Families, KeysOfAFamilyAreRefusedForAnother) {
  ModelConfig config(with_a_mixture());
  EXPECT_THAT(refusal([&] { read(config, "{kind: gpt, components: 5}"); }),
              HasSubstr("only where model.kind is mixture"));
  ModelConfig built_in(built_in_families());
  EXPECT_THAT(refusal([&] { read(built_in, "{kind: mixture}"); }), AllOf(HasSubstr("vae"), HasSubstr("gpt")));
}

TEST(Families, RulesHoldForTheChosenFamilyAlone) {
  ModelConfig config(with_a_mixture());
  RunFacts facts;
  facts.data_context = 3;
  const auto wrong = [&] {
    std::string all;
    for (const FamilyRule& rule : config.rules()) all += rule.problem(facts);
    return all;
  };
  read(config, "{kind: mixture, components: 5}");
  EXPECT_EQ(wrong(), "too many components");
  (void)config.choose("vae");
  EXPECT_EQ(wrong(), "");
}

TEST(Families, DataWithoutAFieldThatTheFamilyReadsIsRefused) {
  ModelConfig config(with_a_mixture());
  EXPECT_EQ(config.missing_fields({"image", "label"}), "");
  EXPECT_THAT(config.missing_fields({"latent"}),
              AllOf(HasSubstr("vae trains on the field image"), HasSubstr("or model.kind=mixture")));
  EXPECT_THAT(refusal([&] {
                (void)make_model(config, {{core::tokens_field(4)}}, numerics::Dtype::fp32, at::kCPU, 1);
              }),
              AllOf(HasSubstr("provides tokens"), HasSubstr("or model.kind=gpt")));
}

TEST(Families, ACopyHasItsOwnValues) {
  ModelConfig config(with_a_mixture());
  read(config, "{kind: mixture, components: 5}");
  ModelConfig copy = config;
  config_of<MixtureConfig>(copy.chosen()).components = 6;
  EXPECT_EQ(config_of<MixtureConfig>(config.chosen()).components, 5);
  EXPECT_THROW((void)config_of<MixtureConfig>(copy.choose("vae")), Error);
}

TEST(Families, AThroughputUnitThatHasANameCountsItsSamples) {
  core::SampleSpec spec;
  for (const core::FieldSpec& field :
       {core::image_field(1, 4, 4), core::label_field(), core::tokens_field(6)})
    spec.fields.push_back(field);
  for (const Family& family : built_in_families()) {
    EXPECT_EQ(family.throughput.name.empty(), family.throughput.per_sample == nullptr) << family.name;
    if (family.name == "gpt") {
      EXPECT_EQ(family.throughput.name, "tokens");
      EXPECT_EQ(family.throughput.per_sample(spec), 6);
    }
  }
}

std::vector<Measure> measures_of(const std::string& family, const TestResult& result) {
  for (const Family& one : described_families())
    if (one.name == family) return one.texts.measures(result);
  return {};
}

std::vector<std::string> lines_of(const std::vector<Measure>& measures) {
  std::vector<std::string> lines;
  for (const Measure& measure : measures) lines.push_back(measure.line);
  return lines;
}

TEST(Families, ImageMeasuresAreTheBounds) {
  TestResult result;
  result.loss = 240;  // with a kl_weight, which no measure has
  result.terms = {{"reconstruction", 239.306}, {"kl", 12.75}};
  EXPECT_THAT(lines_of(measures_of("vae", result)), ElementsAre("evidence bound -252.06 nats"));
  result.bound = {-248.5, 64, 784, false};
  EXPECT_THAT(
      lines_of(measures_of("vae", result)),
      ElementsAre("evidence bound -252.06 nats", "importance-weighted bound (64 draws) -248.50 nats"));
  result.bound = {-784 * 3.5 * std::log(2.0), 1, 784, true};
  const std::vector<Measure> discrete = measures_of("vae", result);
  EXPECT_THAT(lines_of(discrete),
              ElementsAre("evidence bound -252.06 nats", "importance-weighted bound (1 draw) -1902.00 nats",
                          "3.50 bits per dimension"));
  EXPECT_EQ(discrete[0].name, "evidence_bound");
  EXPECT_NEAR(discrete[0].value, -252.056, 1e-9);
  EXPECT_EQ(discrete[1].name, "importance_weighted_bound");
  EXPECT_EQ(discrete[1].value, result.bound->nats);
  EXPECT_EQ(discrete[2].name, "bits_per_dimension");
  EXPECT_NEAR(discrete[2].value, 3.5, 1e-12);
}

TEST(Families, TextMeasuresNeedBytesForBitsPerByte) {
  TestResult result;
  result.loss = 2 * std::log(2.0);
  EXPECT_THAT(lines_of(measures_of("gpt", result)), ElementsAre("", ""));
  result.text = {1000, 0};  // the tokenizer `none`
  EXPECT_EQ(measures_of("gpt", result).size(), 2U);
  result.text = {1000, 1600};
  const std::vector<Measure> measures = measures_of("gpt", result);
  ASSERT_EQ(measures.size(), 3U);
  EXPECT_EQ(measures[1].name, "perplexity");
  EXPECT_NEAR(measures[1].value, 4, 1e-12);
  EXPECT_EQ(measures[2].name, "bits_per_byte");
  EXPECT_NEAR(measures[2].value, 1.25, 1e-12);  // 2 bits a token, 1.6 bytes a token
  EXPECT_EQ(measures[2].line, "1.2500 bits per byte of text");
}

TEST(Families, DescribedOnesAreTheBuiltInOnesWithoutTheirModels) {
  const Families described = described_families(), built_in = built_in_families();
  ASSERT_EQ(described.size(), built_in.size());
  for (std::size_t i = 0; i < described.size(); ++i) {
    EXPECT_EQ(described[i].name, built_in[i].name);
    EXPECT_FALSE(described[i].make_model);
    EXPECT_TRUE(built_in[i].make_model);
    EXPECT_FALSE(built_in[i].reads.empty());
    EXPECT_FALSE(built_in[i].trainees.empty());
  }
}

}  // namespace
}  // namespace ebb::models

// SPDX-License-Identifier: Apache-2.0
#include "core/sample.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"

namespace ebb::core {
namespace {

using nlohmann::json;

TEST(SampleSpec, CountsBytes) {
  EXPECT_EQ(image_field(3, 4, 5).bytes(), 60);
  EXPECT_EQ(tokens_field(256).bytes(), 257 * 4);
  EXPECT_EQ(label_field().bytes(), 8);
  EXPECT_EQ((FieldSpec{"latent", ElementType::bf16, {4, 8, 8}}.bytes()), 512);
  EXPECT_EQ((SampleSpec{{image_field(3, 4, 5), label_field()}}.bytes()), 68);
}

TEST(SampleSpec, FindsFieldsByName) {
  const SampleSpec spec{{image_field(1, 2, 3), label_field()}};
  EXPECT_EQ(spec.at(kLabelField), label_field());
  EXPECT_EQ(spec.find(kTokensField), nullptr);
  try {
    (void)spec.at(kTokensField);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_NE(std::string(error.what()).find("tokens; it has: image, label"), std::string::npos)
        << error.what();
  }
}

TEST(SampleSpec, JsonGivesItBackWithTheOrderOfItsFields) {
  SampleSpec spec{{tokens_field(16), label_field(), image_field(1, 28, 28)}};
  for (const ElementType type : {ElementType::f16, ElementType::bf16, ElementType::f32})
    spec.fields.push_back({"latent." + std::string(name(type)), type, {4, 8}});
  EXPECT_EQ(json(spec).get<SampleSpec>(), spec);
  EXPECT_EQ(json(SampleSpec{{image_field(1, 28, 28)}}).dump(),
            R"([{"dims":[1,28,28],"name":"image","type":"u8"}])");
}

TEST(SampleSpec, RefusesOtherJson) {
  for (const char* text :
       {"[]", "{}", R"([{"name":"a","type":"u8"}])", R"([{"name":"a","type":"f64","dims":[1]}])",
        R"([{"name":"a","type":"u8","dims":[0]}])", R"([{"name":"a","type":"u8","dims":[-1]}])",
        R"([{"name":"a","type":"u8","dims":[1.5]}])",
        R"([{"name":"a","type":"i64","dims":[4294967296,4294967296]}])",
        R"([{"name":"image","type":"u8","dims":[28,28]}])",
        R"([{"name":"image","type":"f32","dims":[1,28,28]}])",
        R"([{"name":"label","type":"i64","dims":[2]}])", R"([{"name":"tokens","type":"i32","dims":[]}])",
        R"([{"name":"tokens","type":"i32","dims":[1]}])",
        R"([{"name":"a","type":"u8","dims":[1]},{"name":"a","type":"u8","dims":[2]}])"})
    EXPECT_THROW((void)json::parse(text).get<SampleSpec>(), json::exception) << text;
}

TEST(SampleSpec, ReadsVersion1) {
  const SampleSpec image{{image_field(1, 28, 28)}}, tokens{{tokens_field(64)}};
  EXPECT_EQ(sample_spec_of_version_1(json::parse(R"({"sample":{"dtype":"uint8","dims":[1,28,28]}})")), image);
  EXPECT_EQ(sample_spec_of_version_1(json::parse(R"({"sample":{"dtype":"int32","dims":[65]}})")), tokens);
  EXPECT_EQ(sample_spec_of_version_1(json::parse(R"({"image":[1,28,28]})")), image);
  for (const char* text : {"{}", R"({"sample":{"dims":[1]}})", R"({"sample":3})"})
    EXPECT_THROW((void)sample_spec_of_version_1(json::parse(text)), json::exception) << text;
}

}  // namespace
}  // namespace ebb::core

// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <iterator>

#include "base/digest.h"
#include "base/error.h"
#include "support/folder_test.h"

namespace ebb::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SafetensorsTest : public test::FolderTest {
 protected:
  void SetUp() override {
    FolderTest::SetUp();
    path_ = folder_ / "a.safetensors";
  }

  std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& text) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << text;
  }
  void put(std::uint64_t length, const std::string& header, std::size_t buffer) const {
    std::string text(reinterpret_cast<const char*>(&length), 8);
    put(text + header + std::string(buffer, '\1'));
  }
  // The reason why a file with this header is refused; empty: it is read.
  std::string refusal(const std::string& header, std::size_t buffer) const {
    put(header.size(), header, buffer);
    return refusal();
  }
  std::string refusal() const {
    try {
      const SafetensorsFile file(path_);
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::checkpoint);
      EXPECT_THAT(e.what(), HasSubstr(path_.string()));
      return e.what();
    }
  }
  std::filesystem::path path_;
};

constexpr const char* kGood = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

TEST_F(SafetensorsTest, EveryDtypeComesBackToTheBit) {
  NamedTensors tensors;
  for (const auto dtype :
       {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble, at::kLong, at::kInt, at::kShort, at::kByte}) {
    tensors.emplace_back(std::string(dtype_name(dtype)), (at::rand({3, 7}) * 200).to(dtype));
  }
  tensors.emplace_back("flags", at::rand({5}) > 0.5);
  tensors.emplace_back("scalar", at::tensor(2.5));
  tensors.emplace_back("nothing", at::zeros({0, 4}));
  tensors.emplace_back("nan", at::full({2}, std::bit_cast<float>(0x7fc00123u)));
  const WrittenFile written = write_safetensors(path_, tensors, {{"format", "pt"}});
  const std::string text = bytes();
  EXPECT_EQ(written.bytes, static_cast<std::int64_t>(text.size()));
  EXPECT_EQ(written.xxh3, digest_hex(text));
  const SafetensorsFile file(path_);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (const char* absent : {"", "na", "nan ", "zz"}) EXPECT_EQ(file.find(absent), nullptr) << absent;
  for (const auto& [name, tensor] : tensors) {
    const auto* entry = file.find(name);
    ASSERT_NE(entry, nullptr) << name;
    const at::Tensor read = at::empty(tensor.sizes(), tensor.options());
    file.read(*entry, read);
    EXPECT_TRUE(tensor.nbytes() == 0 || std::memcmp(read.data_ptr(), tensor.data_ptr(), tensor.nbytes()) == 0)
        << name;
  }
}

TEST_F(SafetensorsTest, TheLayoutIsTheFormats) {
  write_safetensors(path_, {{"b", at::tensor({1, 2}, at::kByte)}, {"a", at::tensor({1.0f})}}, {});
  const std::string text = bytes();
  std::uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  const std::string header = text.substr(8, length);
  EXPECT_EQ(
      header.substr(0, header.find_last_of('}') + 1),
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})");
  EXPECT_EQ(text.substr(8 + length), std::string("\0\0\x80\x3f\1\2", 6));
}

TEST_F(SafetensorsTest, StridedTensorsLargerThanTheStagingKeepTheirOrder) {
  const at::Tensor base = at::arange(3 * 700 * 1001, at::kFloat).view({3, 700, 1001});
  const at::Tensor strided = base.permute({2, 0, 1});
  ASSERT_GT(static_cast<std::int64_t>(strided.nbytes()), kStagingBytes);
  write_safetensors(path_, {{"t", strided}}, {});
  const SafetensorsFile file(path_);
  const at::Tensor plain = at::empty({1001, 3, 700}), other = at::empty({3, 700, 1001}).permute({2, 0, 1});
  file.read(*file.find("t"), plain);
  file.read(*file.find("t"), other);
  EXPECT_TRUE(at::equal(plain, strided));
  EXPECT_TRUE(at::equal(other, strided));
}

TEST_F(SafetensorsTest, AFileWithoutTensorsIsSound) {
  write_safetensors(path_, {}, {});
  EXPECT_EQ(refusal(), "");
}

TEST_F(SafetensorsTest, DtypesThatTheFormatLacksHereAreRefused) {
  EXPECT_THROW(write_safetensors(path_, {{"c", at::zeros({1}, at::kComplexFloat)}}, {}), Error);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SafetensorsTest, HeadersThatLieAboutTheirLengthAreRefused) {
  EXPECT_EQ(refusal(kGood, 8), "");
  put("1234");
  EXPECT_THAT(refusal(), HasSubstr("too few"));
  for (const std::uint64_t length :
       {std::uint64_t{1} << 40, ~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{100'000'001}}) {
    put(length, kGood, 8);
    EXPECT_THAT(refusal(), HasSubstr("header should have")) << length;
  }
}

TEST_F(SafetensorsTest, HeadersThatAreNoHeaderAreRefused) {
  EXPECT_THAT(refusal("", 0), HasSubstr("does not start with {"));
  EXPECT_THAT(refusal(std::string(" ") + kGood, 8), HasSubstr("does not start with {"));
  EXPECT_THAT(refusal("{\"a\":", 0), HasSubstr("not JSON"));
  EXPECT_THAT(refusal("{\"a\":3}", 0), HasSubstr("needs dtype"));
  EXPECT_THAT(refusal(std::string(50'000, '{'), 0), HasSubstr("not JSON"));
  EXPECT_THAT(refusal(R"({"__metadata__":{"a":1}})", 0), HasSubstr("__metadata__"));
}

// As safetensors 0.8.0 reads them.
TEST_F(SafetensorsTest, HeadersThatTheLibraryTakesAreTaken) {
  EXPECT_EQ(refusal(std::string(kGood) + "   ", 8), "");
  EXPECT_EQ(refusal(std::string(kGood) + "\n\t ", 8), "");
  EXPECT_THAT(refusal(std::string(kGood) + std::string(3, '\0'), 8), HasSubstr("not JSON: byte 54 is zero"));
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})", 8), "");
  EXPECT_EQ(refusal(R"({"__metadata__":null})", 0), "");
  EXPECT_EQ(refusal(R"({"__metadata__":{"format":"pt"}})", 0), "");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},
                        "b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                    0),
            "");
  EXPECT_THAT(refusal(R"({"__metadata__":["pt"]})", 0), HasSubstr("__metadata__"));
}

TEST_F(SafetensorsTest, DtypesOfTheLibraryThatAreNotReadAreNotCalledDamage) {
  for (const std::string dtype : {"F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ",
                                  "F8_E5M2FNUZ", "I8", "U16", "U32", "U64", "C64"})
    EXPECT_THAT(refusal(R"({"a":{"dtype":")" + dtype + R"(","shape":[8],"data_offsets":[0,8]}})", 8),
                AllOf(HasSubstr("tensor a has dtype " + dtype + ", which ebb does not read; it reads F16"),
                      Not(HasSubstr("not a valid"))));
}

TEST_F(SafetensorsTest, APointerOfGitLfsIsNamed) {
  put("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("a pointer of git-lfs in place of the file of 522.7 MiB"),
                               HasSubstr("lfs pull --include a.safetensors")));
}

TEST_F(SafetensorsTest, NamesThatStandTwiceAreRefused) {
  const std::string entry = R"("a":{"dtype":"U8","shape":[1],"data_offsets":)";
  EXPECT_THAT(refusal("{" + entry + "[0,1]}," + entry + "[1,2]}}", 2), HasSubstr("twice"));
  EXPECT_THAT(refusal(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
              HasSubstr("twice"));
}

TEST_F(SafetensorsTest, OffsetsThatOverlapOrLeaveHolesAreRefused) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  EXPECT_EQ(refusal(two("[0,4]", "[4,8]"), 8), "");
  EXPECT_EQ(refusal(two("[4,8]", "[0,4]"), 8), "");
  EXPECT_THAT(refusal(two("[0,4]", "[3,7]"), 7), HasSubstr("ends at 4"));
  EXPECT_THAT(refusal(two("[0,4]", "[0,4]"), 4), HasSubstr("ends at 4"));
  EXPECT_THAT(refusal(two("[0,4]", "[5,9]"), 9), HasSubstr("ends at 4"));
  EXPECT_THAT(refusal(two("[1,5]", "[5,9]"), 9), HasSubstr("ends at 0"));
  EXPECT_THAT(refusal(two("[4,0]", "[4,8]"), 8), HasSubstr("takes 4 bytes"));
  EXPECT_THAT(refusal(two("[0,4]", "[4,8]"), 7), HasSubstr("its header says"));
  EXPECT_THAT(refusal(two("[0,4]", "[4,8]"), 9), HasSubstr("its header says"));
}

TEST_F(SafetensorsTest, ShapesThatDoNotFitTheirBytesAreRefused) {
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  EXPECT_THAT(refusal(one("F32", "[2]", "[0,7]"), 7), HasSubstr("takes 8 bytes"));
  EXPECT_THAT(refusal(one("F32", "[-2]", "[0,8]"), 8), HasSubstr("has shape"));
  EXPECT_THAT(refusal(one("F32", "[2.0]", "[0,8]"), 8), HasSubstr("has shape"));
  EXPECT_THAT(refusal(one("F32", "2", "[0,8]"), 8), HasSubstr("has shape"));
  EXPECT_THAT(refusal(one("F32", "[2]", "[0,8,9]"), 8), HasSubstr("has data_offsets"));
  EXPECT_THAT(refusal(one("F32", "[2]", "[-8,0]"), 8), HasSubstr("has data_offsets"));
  EXPECT_THAT(refusal(one("Q4", "[8]", "[0,8]"), 8), HasSubstr("\"Q4\", which safetensors does not have"));
  // 2^63 elements twice over wrap around to no bytes at all.
  EXPECT_THAT(refusal(one("F32", "[9223372036854775807,4]", "[0,8]"), 8),
              HasSubstr("larger than any memory"));
  EXPECT_THAT(refusal(one("F32", "[0,9223372036854775807,4]", "[0,0]"), 0),
              HasSubstr("larger than any memory"));
}

}  // namespace
}  // namespace ebb::checkpoint

// SPDX-License-Identifier: Apache-2.0
#include "base/safetensors_header.h"
#include "data/arrays.h"
#include "data/arrays/npy_literal.h"
#include "data/config.h"

namespace ebb::data {
namespace {

using namespace testing;

class ArraysDamage : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& bytes) const {
    fs::create_directories((dir_ / name).parent_path());
    write_bytes(dir_ / name, bytes);
  }
  void open(const std::string& source, const std::vector<std::string>& fields = {"image"}) const {
    DataConfig config(builtin_formats());
    config.source = dir_ / source;
    config.format = "arrays";
    (void)config.entry().open(config, {"", fields});
  }
  void expect_refused(const std::string& name, const std::string& bytes,
                      const std::vector<std::string>& words) const {
    put(name, bytes);
    expect_error(ExitCode::data, words, [&] { open(name); });
  }
  Scratch dir_;
};

TEST_F(ArraysDamage, LiteralsAreReadAsPythonReadsThem) {
  const auto shape = [](const std::string& text) {
    return parse_npy_literal("{'descr': '<f4', 'fortran_order': False, 'shape': " + text + "}").shape;
  };
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(shape("()"), (Shape{}));
  EXPECT_EQ(shape("(3,)"), (Shape{3}));
  EXPECT_EQ(shape("(3, 4)"), (Shape{3, 4}));
  EXPECT_EQ(shape("( 3 ,4 , )"), (Shape{3, 4}));
  EXPECT_EQ(shape("(3L, 4L)"), (Shape{3, 4}));
  EXPECT_EQ(shape("(0, 9223372036854775807)"), (Shape{0, INT64_MAX}));
  const NpyLiteral other = parse_npy_literal(R"({"shape":(1,),"fortran_order":True,"descr":"|u1"}   )"
                                             "\n");
  EXPECT_TRUE(other.fortran_order);
  EXPECT_EQ(other.descr, "|u1");
  EXPECT_TRUE(
      parse_npy_literal("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}").structured);
}

TEST_F(ArraysDamage, OtherLiteralsAreRefused) {
  for (const char* const text : {"",
                                 "{",
                                 "{}",
                                 "[]",
                                 "{'descr': '<f4'}",
                                 "{'descr': '<f4', 'fortran_order': False}",
                                 "{'descr': '<f4', 'fortran_order': false, 'shape': (1,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1,,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,)}",
                                 "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
                                 "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
                                 "{'descr': <f4, 'fortran_order': False, 'shape': (1,)}",
                                 "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (1,)}",
                                 "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + x",
                                 "__import__('os').system('true')"})
    EXPECT_THROW((void)parse_npy_literal(text), std::invalid_argument) << text;
  std::string many = "(1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_THROW((void)parse_npy_literal("{'descr': '<f4', 'fortran_order': False, 'shape': " + many + ")}"),
               std::invalid_argument);
}

TEST_F(ArraysDamage, PicklesAreRefusedByName) {
  for (const char* const descr : {"|O", "O", "|O8"})
    expect_refused("x.npy", npy_of(descr, "(1,)", "\x80\x04N."), {"x.npy", "Python objects", "pickle"});
  expect_refused("x.npz", zip_of({{"x.npy", npy_of("|O", "(1,)", "\x80\x04N."), true}}),
                 {"x.npz, entry x.npy", "Python objects"});
}

TEST_F(ArraysDamage, TypesThatAreNotReadSayWhatToDo) {
  expect_refused("x.npy", npy_of("<f4", "(1, 2, 2)", std::string(16, 'f')),
                 {"float32", "255 * x", "astype(np.uint8)"});
  expect_refused("x.npy", npy_of("<f8", "(1, 2, 2)", std::string(32, 'f')), {"float64"});
  expect_refused("x.npy", npy_of("<i8", "(1, 2, 2)", std::string(32, 'f')), {"int64", "x.astype(np.uint8)"});
  expect_refused("x.npy", npy_of("<c8", "(1, 2, 2)", std::string(32, 'f')), {"complex64"});
  expect_refused("x.npy", npy_of("<U3", "(2,)", std::string(24, 'f')), {"text"});
  expect_refused("x.npy", npy_of("<M8[ns]", "(2,)", std::string(16, 'f')), {"x.npy"});
  for (const char* const descr :
       {"", "<", "u1x", "<u3", "<f7", "|x1", "<u99999999999999999999", "<i-8", "|b2"})
    expect_refused("x.npy", npy_of(descr, "(1, 2, 2)", "1234"), {"none of NumPy"});
  expect_refused("x.npy",
                 npy_with("{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (4,)}", "1234"),
                 {"records", "an array of its own"});
  expect_refused("x.npy", npy_with("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2, 2)}", "1234"),
                 {"(1, 2, 2)", "Fortran's order", "np.ascontiguousarray"});
}

TEST_F(ArraysDamage, HeadersThatLieAreRefused) {
  const std::string whole = images_npy(3);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
    expect_refused("x.npy", whole.substr(0, bytes), {"x.npy"});
  expect_refused("x.npy", whole + "x", {"take 18 bytes, but 19 follow"});
  expect_refused("x.npy", npy_of("|u1", "(9223372036854775807, 3, 3)", "1"), {"larger than any memory"});
  expect_refused("x.npy", npy_of("|u1", "(0, 9223372036854775807, 3)", ""), {"larger than any memory"});
  // 2^63 + 2^63 bytes wrap around to none.
  expect_refused("x.npy", npy_of("<u8", "(4611686018427387904, 4)", ""), {"larger than any memory"});
  std::string version = whole;
  version[6] = 4;
  expect_refused("x.npy", version, {"version is 4.0"});
  std::string length = npy_with("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1)}", "1", 2);
  put_number(length, 8, std::uint32_t{0xfffffff0});
  expect_refused("x.npy", length, {"4294967280 bytes", "at most 65536"});
}

TEST_F(ArraysDamage, LabelsThatAreNoneAreRefused) {
  const auto refuse = [&](const std::string& labels, const std::vector<std::string>& words) {
    put("a/x.npy", images_npy(3));
    put("a/y.npy", labels);
    expect_error(ExitCode::data, words, [&] { open("a", {"label"}); });
  };
  refuse(npy_of("<f4", "(3,)", std::string(12, 'f')), {"y.npy", "float32", "labels are integers"});
  refuse(npy_of("|b1", "(3,)", "\1\1\1"), {"bool"});
  refuse(npy_of("|u1", "(3, 10)", std::string(30, 'f')), {"(3, 10)", "argmax"});
  refuse(labels_npy(2), {"(2,)", "labels have (3,)"});
  refuse(npy_of("|u1", "()", "1"), {"()", "labels have (3,)"});
}

TEST_F(ArraysDamage, NamesDecideAndAmbiguityIsRefused) {
  expect_refused("a.npz", zip_of({{"pixels.npy", images_npy(3)}, {"b.npy", images_npy(3)}}),
                 {"no array of images, but b, pixels", "images, image, x or arr_0"});
  expect_refused("a.npz", zip_of({{"x.npy", images_npy(3)}, {"images.npy", images_npy(3)}}),
                 {"two arrays of images, images and x"});
  expect_refused("a.npz", zip_of({{"x.npy", images_npy(3)}, {"X.npy", images_npy(3)}}),
                 {"two arrays of images, X and x"});
  expect_refused("a.npz", zip_of({{"x_train.npy", images_npy(3)}, {"y_train.npy", labels_npy(3)}}),
                 {"x_train, but not the images of test"});
  expect_refused("a.npz", zip_of({}), {"no arrays"});
  expect_refused("a.npz", zip_of({{"x.npy", "GIF89a"}}), {"entry x.npy", "no .npy file"});
  expect_refused("a.npz", zip_of({{"../x.npy", images_npy(3)}}), {"leads out of the archive"});
  expect_refused("a.npz", "PK", {"no directory of a zip archive"});
  put("only/train.npz", zip_of({{"x.npy", images_npy(3)}}));
  expect_error(ExitCode::data, {"has train.npz, but not test.npz"}, [&] { open("only"); });
  put("two/a.npz", zip_of({{"x.npy", images_npy(3)}}));
  put("two/b.npz", zip_of({{"x.npy", images_npy(3)}}));
  expect_error(ExitCode::data, {"holds a.npz and 1 more files"}, [&] { open("two"); });
}

TEST_F(ArraysDamage, DeflatedValuesAreChecked) {
  put("a.npz", zip_of({{"x.npy", images_npy(200), true, [](std::string&, std::string&, std::string& packed) {
                          packed[packed.size() / 2] ^= 1;
                        }}}));
  expect_error(ExitCode::data, {"entry x.npy", "damaged"}, [&] { open("a.npz"); });
  // Stored ones are read in place. Their checksum is for `ebb data verify`.
  put("b.npz", zip_of({{"x.npy", images_npy(200), false,
                        [](std::string&, std::string&, std::string& packed) { packed.back() ^= 1; }}}));
  EXPECT_NO_THROW(open("b.npz"));
  expect_error(ExitCode::data, {"entry x.npy", "CRC-32"},
               [&] { (void)verify(builtin_formats(), dir_ / "b.npz", {}); });
}

TEST_F(ArraysDamage, VerifyFindsLabelsThatDoNotFitTheirImages) {
  const auto expect_fault = [&](const std::string& file, const std::vector<std::string>& words) {
    expect_error(ExitCode::data, words, [&] { (void)verify(builtin_formats(), dir_ / file, {}); });
  };
  put("few.npz", zip_of({{"x.npy", images_npy(3)}, {"y.npy", labels_npy(2)}}));
  expect_fault("few.npz", {"entry y.npy", "its shape is (2,)", "labels have (3,)"});
  put("many.npz", zip_of({{"x_train.npy", images_npy(3)},
                          {"y_train.npy", labels_npy(3)},
                          {"x_test.npy", images_npy(2)},
                          {"y_test.npy", labels_npy(4)}}));
  expect_fault("many.npz", {"entry y_test.npy", "its shape is (4,)", "labels have (2,)"});
  put("one.npz", zip_of({{"x_train.npy", images_npy(3)}}));
  expect_fault("one.npz", {"has x_train, but not the images of test"});
}

TEST_F(ArraysDamage, SafetensorsThatLieAreRefused) {
  const auto file = [](const std::string& header, std::size_t buffer) {
    return number_text(std::uint64_t{header.size()}) + header + std::string(buffer, 'b');
  };
  put("x.safetensors", file(R"({"image":{"dtype":"U8","shape":[2,2,3],"data_offsets":[0,12]}})", 12));
  EXPECT_NO_THROW(open("x.safetensors"));
  expect_refused("x.safetensors",
                 file(R"({"image":{"dtype":"U8","shape":[2,2,3],"data_offsets":[0,12]}})", 11),
                 {"not a valid safetensors file", "its header says"});
  expect_refused("x.safetensors",
                 file(R"({"image":{"dtype":"U8","shape":[2,2,4],"data_offsets":[0,12]}})", 12),
                 {"takes 16 bytes"});
  expect_refused("x.safetensors",
                 file(R"({"image":{"dtype":"F32","shape":[1,1,3],"data_offsets":[0,12]}})", 12),
                 {"tensor image", "float32"});
  expect_refused("x.safetensors",
                 file(R"({"image":{"dtype":"F8_E4M3","shape":[12],"data_offsets":[0,12]}})", 12),
                 {"F8_E4M3, which ebb does not read"});
  expect_refused("x.safetensors", file(R"({"w":{"dtype":"U8","shape":[2,2,3],"data_offsets":[0,12]}})", 12),
                 {"no array of images, but w"});
  put("x.safetensors", "{");
  expect_error(ExitCode::data, {"x.safetensors"}, [&] { open("x.safetensors"); });
}

}  // namespace
}  // namespace ebb::data

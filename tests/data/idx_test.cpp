// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"

#include "data/fixtures.h"

namespace ebb::data {
namespace {

using namespace testing;

void read_all(const fs::path& path) {
  IdxReader reader(path);
  std::vector<std::byte> item(static_cast<std::size_t>(reader.item_bytes()));
  for (std::int64_t i = 0; i < reader.items(); ++i) reader.read(item);
  reader.finish();
}

class Idx : public ::testing::Test {
 protected:
  Scratch dir_;
};

TEST_F(Idx, ReadsPlainAndGzippedAlike) {
  write_bytes(dir_ / "plain", idx_images(50, 4, 5));
  write_gzip(dir_ / "packed.gz", idx_images(50, 4, 5));
  for (const char* name : {"plain", "packed.gz"}) {
    IdxReader reader(dir_ / name);
    EXPECT_EQ(reader.dims(), (std::vector<std::int64_t>{50, 4, 5}));
    ASSERT_EQ(reader.item_bytes(), 20);
    std::vector<std::byte> item(20);
    for (std::int64_t i = 0; i < reader.items(); ++i) {
      reader.read(item);
      expect_pixels(item, i);
    }
    reader.finish();
  }
}

TEST_F(Idx, RefusesWhatIsNoIdx) {
  write_bytes(dir_ / "a", "GIF89a and so on");
  expect_error(ExitCode::data, {"a is not an IDX file", "47 49 46 38"}, [&] { read_all(dir_ / "a"); });
  write_bytes(dir_ / "b", std::string{'\0', '\0', '\x0d', '\x01', 0, 0, 0, 1, 0, 0, 0, 0});
  expect_error(ExitCode::data, {"byte 2", "0x0d", "unsigned bytes"}, [&] { read_all(dir_ / "b"); });
  write_bytes(dir_ / "c", std::string{'\0', '\0', '\x08', '\0'});
  expect_error(ExitCode::data, {"byte 3", "0 dimensions"}, [&] { read_all(dir_ / "c"); });
  write_bytes(dir_ / "d", idx_header({3, 0xffffffff, 0xffffffff}));
  expect_error(ExitCode::data, {"dimension 1 at byte 8", "4294967295"}, [&] { read_all(dir_ / "d"); });
  write_bytes(dir_ / "e", idx_header({0, 2, 2}));
  expect_error(ExitCode::data, {"dimension 0 at byte 4 is 0"}, [&] { read_all(dir_ / "e"); });
  expect_error(ExitCode::data, {"cannot open", "missing"}, [&] { read_all(dir_ / "missing"); });
  expect_error(ExitCode::data, {"is a folder"}, [&] { read_all(dir_.path()); });
}

TEST_F(Idx, NoticesAFileCutShort) {
  const std::string whole = idx_images(200, 8, 8);
  write_bytes(dir_ / "plain", whole.substr(0, whole.size() - 1));
  expect_error(ExitCode::data,
               {"ends too early", "200 items of 64 bytes", "12815 bytes cannot hold the 12816"},
               [&] { read_all(dir_ / "plain"); });
  write_bytes(dir_ / "header", whole.substr(0, 10));
  expect_error(ExitCode::data, {"ends too early", "header"}, [&] { read_all(dir_ / "header"); });

  write_gzip(dir_ / "whole.gz", whole);
  const std::string packed = read_bytes(dir_ / "whole.gz");
  for (const std::size_t cut : {packed.size() / 2, packed.size() - 9, packed.size() - 4, packed.size() - 1}) {
    write_bytes(dir_ / "cut.gz", packed.substr(0, cut));
    expect_error(ExitCode::data, {"cut.gz"}, [&] { read_all(dir_ / "cut.gz"); });
  }
}

// Nobody has taken memory for an item then.
TEST_F(Idx, RefusesItemsThatTheFileCannotHave) {
  const std::string header = idx_header({1, 46340, 46340});
  write_bytes(dir_ / "plain", header);
  expect_error(ExitCode::data, {"1 items of 2147395600 bytes", "16 bytes cannot hold the 2147395616"},
               [&] { IdxReader reader(dir_ / "plain"); });
  write_gzip(dir_ / "packed.gz", header);
  expect_error(ExitCode::data, {"1 items of 2147395600 bytes", "bytes of gzip cannot hold"},
               [&] { IdxReader reader(dir_ / "packed.gz"); });
  write_bytes(dir_ / "most", idx_header({0xffffffff, 1U << 31}));
  expect_error(ExitCode::data, {"4294967295 items", "cannot hold the 9223372034707292172"},
               [&] { IdxReader reader(dir_ / "most"); });
}

// Equal bytes are packed as tightly as gzip can.
TEST_F(Idx, ReadsTheMostThatGzipCanPack) {
  write_gzip(dir_ / "zeros.gz", idx_header({1, 5000, 5000}) + std::string(25'000'000, '\0'));
  ASSERT_GT(25'000'000 / static_cast<std::int64_t>(fs::file_size(dir_ / "zeros.gz")), 1000);
  read_all(dir_ / "zeros.gz");
}

TEST_F(Idx, NoticesAFlippedByteInAGzipFile) {
  write_gzip(dir_ / "whole.gz", idx_images(200, 8, 8));
  std::string packed = read_bytes(dir_ / "whole.gz");
  packed[packed.size() - 6] ^= 1;  // in the checksum
  write_bytes(dir_ / "flipped.gz", packed);
  expect_error(ExitCode::data, {"flipped.gz"}, [&] { read_all(dir_ / "flipped.gz"); });
}

TEST_F(Idx, NoticesBytesAfterTheLastItem) {
  write_bytes(dir_ / "long", idx_images(3, 2, 2) + "x");
  expect_error(ExitCode::data, {"bytes follow the last of 3 items", "byte 28"},
               [&] { read_all(dir_ / "long"); });
}

}  // namespace
}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "data/fixtures.h"
#include "data/zip/zip_file.h"
#include "data/zip_files.h"

namespace ebb::data {
namespace {

using namespace testing;

class Zip : public ::testing::Test {
 protected:
  [[nodiscard]] fs::path put(const std::string& bytes) const {
    write_bytes(dir_ / "a.zip", bytes);
    return dir_ / "a.zip";
  }
  static std::string read(const ZipFile& zip, std::int64_t index) {
    std::string text(static_cast<std::size_t>(zip.entry(index).unpacked), '\0');
    zip.read(index, std::as_writable_bytes(std::span(text)));
    return text;
  }
  // Opening the archive is refused.
  void expect_refused(const std::string& bytes, const std::vector<std::string>& words) const {
    const fs::path path = put(bytes);
    expect_error(ExitCode::data, words, [&] { const ZipFile zip(path); });
  }
  // Opening works; reading the first entry is refused.
  void expect_damaged(const std::string& bytes, const std::vector<std::string>& words) const {
    const ZipFile zip(put(bytes));
    expect_error(ExitCode::data, words, [&] { (void)read(zip, 0); });
  }
  Scratch dir_;
};

std::string noisy_text(std::size_t bytes) {
  std::string text;
  for (std::uint32_t state = 1; text.size() < bytes; state = state * 1664525 + 1013904223)
    text += static_cast<char>(state >> 30);
  return text;
}

TEST_F(Zip, ReadsStoredAndDeflatedEntriesByName) {
  const std::string large = noisy_text(300'000);
  const ZipFile zip(
      put(zip_of({{"b/two", large, true}, {"b/", ""}, {"a", "one"}, {"empty", "", true}, {"B", large}})));
  ASSERT_EQ(zip.size(), 4);
  EXPECT_EQ(zip.name(0), "B");  // bytewise
  EXPECT_EQ(zip.name(1), "a");
  EXPECT_EQ(zip.name(2), "b/two");
  EXPECT_EQ(read(zip, 0), large);
  EXPECT_EQ(read(zip, 1), "one");
  EXPECT_EQ(read(zip, 2), large);
  EXPECT_EQ(read(zip, 3), "");
  EXPECT_EQ(zip.find("b/two"), 2);
  EXPECT_EQ(zip.find("b"), std::nullopt);
  EXPECT_LT(zip.entry(2).packed, zip.entry(2).unpacked);
  std::string there(3, '\0');
  zip.file().read_at(zip.contents_of_stored(1), std::as_writable_bytes(std::span(there)));
  EXPECT_EQ(there, "one");
}

TEST_F(Zip, ReadsAnEmptyArchiveAndOneWithAComment) {
  EXPECT_EQ(ZipFile(put(zip_of({}))).size(), 0);
  const std::string comment = std::string("PK\5\6") + std::string(40, 'x');
  const std::string bytes = zip_of({{"a", "1"}}, [&](std::string& end) {
    put_number(end, 20, static_cast<std::uint16_t>(comment.size()));
    end += comment;
  });
  EXPECT_EQ(read(ZipFile(put(bytes)), 0), "1");
}

TEST_F(Zip, IndexTakes48BytesAnEntryAndItsName) {
  std::vector<ZipMember> members;
  for (int i = 0; i < 1000; ++i) members.push_back({std::to_string(10000 + i), "x"});
  std::size_t taken = 0;
  const ZipFile zip(put(zip_of(members)), [&](std::size_t bytes, const char* purpose) {
    taken += bytes;
    return allocate_on_heap(bytes, purpose);
  });
  EXPECT_EQ(taken, 1000U * (48 + 5));
  EXPECT_EQ(zip.bytes(), 53'000);
}

TEST_F(Zip, RefusesByNameWhatItDoesNotRead) {
  const auto method = [](std::uint16_t value) {
    return [value](std::string& local, std::string& central, std::string&) {
      put_number(local, 8, value);
      put_number(central, 10, value);
    };
  };
  const auto flags = [](std::uint16_t value) {
    return [value](std::string& local, std::string& central, std::string&) {
      put_number(local, 6, value);
      put_number(central, 8, value);
    };
  };
  expect_refused(zip_of({{"ok", "1"}, {"a", "1", false, method(12)}}),
                 {"a.zip, entry a", "12 (bzip2)", "zip -0"});
  expect_refused(zip_of({{"a", "1", false, method(93)}}), {"93 (Zstandard)"});
  expect_refused(zip_of({{"a", "1", false, method(99)}}), {"99 (AES)"});
  expect_refused(zip_of({{"a", "1", false, method(77)}}), {"77 (unknown)"});
  expect_refused(zip_of({{"a", "1", false, flags(1)}}), {"entry a", "encrypted"});
  expect_refused(zip_of({{"a", "1", false, flags(1 << 5)}}), {"patch"});
  expect_refused(zip_of({{"a", "1"}}, [](std::string& end) { put_number(end, 4, std::uint16_t{1}); }),
                 {"split archive", "zip -s 0"});
  expect_refused(zip_of({{"a", "1", false,
                          [](std::string&, std::string& central, std::string&) {
                            put_number(central, 34, std::uint16_t{2});
                          }}}),
                 {"another part of a split archive"});
}

TEST_F(Zip, RefusesNamesThatLeaveTheArchiveOrOccurTwice) {
  expect_refused(zip_of({{"../a", "1"}}), {"entry ../a", "leads out of the archive"});
  expect_refused(zip_of({{"x/../../a", "1"}}), {"leads out of the archive"});
  expect_refused(zip_of({{"x/..", "1"}}), {"leads out of the archive"});
  expect_refused(zip_of({{"/etc/passwd", "1"}}), {"is absolute"});
  expect_refused(zip_of({{"..\\a", "1"}}), {"backslash"});
  expect_refused(zip_of({{std::string("a\0b", 3), "1"}}), {"zero byte"});
  expect_refused(zip_of({{"", "1"}}), {"name is empty"});
  expect_refused(zip_of({{"a", "1"}, {"b", "2"}, {"a", "3"}}), {"entry a", "there are two of this name"});
  expect_refused(zip_of({{"a/", "1"}}), {"that of a folder, but it has contents"});
  EXPECT_EQ(ZipFile(put(zip_of({{"..a/b..", "1"}}))).size(), 1);
}

TEST_F(Zip, RefusesSizesThatTheArchiveCannotHold) {
  const auto central = [](std::size_t at, auto value) {
    return [at, value](std::string&, std::string& bytes, std::string&) { put_number(bytes, at, value); };
  };
  expect_refused(zip_of({{"a", "1", false, central(20, std::uint32_t{1000})}}), {"1000 bytes at byte 0"});
  expect_refused(zip_of({{"a", "1", false, central(42, std::uint32_t{70000})}}), {"at byte 70000"});
  expect_refused(zip_of({{"a", "1", false, central(24, std::uint32_t{2})}}),
                 {"is stored, but its sizes are 1 and 2"});
  expect_refused(zip_of({{"a", "11111111", true, central(24, std::uint32_t{0xfffffff0})}}),
                 {"cannot unpack to 4294967280"});
  expect_refused(zip_of({{"a", "1", false, central(20, std::uint32_t{0xffffffff})}}), {"zip64"});
  // Two entries with the same contents, as in a zip bomb.
  expect_refused(zip_of({{"a", "1"}, {"b", "1", false, central(42, std::uint32_t{0})}}), {"overlap"});
  const auto end = [](std::size_t at, auto value) {
    return [at, value](std::string& bytes) { put_number(bytes, at, value); };
  };
  expect_refused(zip_of({{"a", "1"}}, end(12, std::uint32_t{0xfffffff0})),
                 {"4294967280 bytes", "does not end"});
  expect_refused(zip_of({{"a", "1"}}, end(16, std::uint32_t{0})), {"does not end"});
  expect_refused(zip_of({{"a", "1"}},
                        [](std::string& bytes) {
                          put_number(bytes, 8, std::uint16_t{9999});
                          put_number(bytes, 10, std::uint16_t{9999});
                        }),
                 {"cannot have 9999 entries"});
  expect_refused(zip_of({{"a", "1"}, {"b", "1"}},
                        [](std::string& bytes) {
                          put_number(bytes, 8, std::uint16_t{1});
                          put_number(bytes, 10, std::uint16_t{1});
                        }),
                 {"47 bytes after the last of 1 entries"});
}

// A name of 60 bytes has room for the header of a second entry, which is claimed and not there.
TEST_F(Zip, RefusesMoreEntriesThanHeaders) {
  expect_refused(zip_of({{std::string(60, 'n'), "x"}},
                        [](std::string& end) {
                          put_number(end, 8, std::uint16_t{2});
                          put_number(end, 10, std::uint16_t{2});
                        }),
                 {"entry 0 of 2", "damaged or cut short"});
}

TEST_F(Zip, RefusesLyingSizesOfZip64) {
  const auto wide = [](std::uint64_t packed) {
    return [packed](std::string&, std::string& central, std::string&) {
      put_number(central, 20, std::uint32_t{0xffffffff});
      put_number(central, 30, std::uint16_t{12});
      central += number_text(std::uint16_t{1}) + number_text(std::uint16_t{8}) + number_text(packed);
    };
  };
  EXPECT_EQ(read(ZipFile(put(zip_of({{"a", "1", false, wide(1)}}))), 0), "1");
  expect_refused(zip_of({{"a", "1", false, wide(std::uint64_t{1} << 63)}}), {"9223372036854775808 bytes"});
  expect_refused(zip_of({{"a", "1", false, wide(UINT64_MAX)}}), {"18446744073709551615 bytes"});
  const auto with_record = [](std::uint64_t entries, std::uint64_t bytes, std::uint64_t begin,
                              std::uint64_t at) {
    return zip_of({{"a", "1"}}, [=](std::string& end) {
      std::string record(56, '\0'), locator(20, '\0');
      put_number(record, 0, std::uint32_t{0x06064b50});
      put_number(record, 24, entries);
      put_number(record, 32, entries);
      put_number(record, 40, bytes);
      put_number(record, 48, begin);
      put_number(locator, 0, std::uint32_t{0x07064b50});
      put_number(locator, 8, at);
      put_number(locator, 16, std::uint32_t{1});
      end = record + locator + end;
    });
  };
  // One entry: 32 bytes of it, and 47 of the directory.
  EXPECT_EQ(read(ZipFile(put(with_record(1, 47, 32, 79))), 0), "1");
  expect_refused(with_record(1, 47, 32, 80), {"where it does not fit"});
  expect_refused(with_record(1, 47, 32, UINT64_MAX), {"where it does not fit"});
  expect_refused(with_record(1, 47, 32, 70), {"no zip64 record at byte 70"});
  expect_refused(with_record(std::uint64_t{1} << 60, 47, 32, 79),
                 {"cannot have 1152921504606846976 entries"});
  expect_refused(with_record(1, UINT64_MAX, 32, 79), {"does not end at byte 79"});
  expect_refused(with_record(1, 47, UINT64_MAX, 79), {"does not end at byte 79"});
}

TEST_F(Zip, NoticesDamagedContents) {
  const auto contents = [](std::size_t at) {
    return [at](std::string&, std::string&, std::string& packed) {
      packed[at] = static_cast<char>(packed[at] ^ 1);
    };
  };
  expect_damaged(zip_of({{"a", "123", false, contents(1)}}), {"entry a", "CRC-32", "fetch it again"});
  const std::string text = noisy_text(5000);
  for (std::size_t at = 0; at < deflated(text).size(); at += 97)
    expect_damaged(zip_of({{"a", text, true, contents(at)}}), {"entry a", "damaged"});
  // Sizes on which header and directory agree, but not the contents.
  const auto both = [](std::uint32_t unpacked) {
    return [unpacked](std::string& local, std::string& central, std::string&) {
      put_number(local, 22, unpacked);
      put_number(central, 24, unpacked);
    };
  };
  expect_damaged(zip_of({{"a", text, true, both(5001)}}), {"unpacks to 5000 bytes, not to its 5001"});
  expect_damaged(zip_of({{"a", text, true, both(4999)}}), {"more than its 4999 bytes"});
}

TEST_F(Zip, NoticesHeadersThatDisagree) {
  for (const std::size_t at : {0U, 8U, 14U, 18U, 22U, 26U, 30U})
    expect_damaged(zip_of({{"abc", "123", false,
                            [at](std::string& local, std::string&, std::string&) {
                              local[at] = static_cast<char>(local[at] ^ 2);
                            }}}),
                   {"a.zip, entry abc", "damaged"});
  // An extra field of the header that pushes the contents into the next entry.
  expect_damaged(zip_of({{"a", "1", false,
                          [](std::string& local, std::string&, std::string&) {
                            put_number(local, 28, std::uint16_t{1});
                          }},
                         {"b", "1"}}),
                 {"overlap what begins at byte 32"});
}

TEST_F(Zip, NoticesAnArchiveCutAnywhere) {
  const std::string whole = zip_of({{"a", "one"}, {"b", noisy_text(100), true}});
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
    expect_refused(whole.substr(0, bytes), {"no directory of a zip archive", "truncated"});
  expect_refused(whole + "x", {"no directory of a zip archive"});
  expect_refused("x" + whole, {"does not end at byte"});
}

TEST_F(Zip, TakesNoMemoryForSizesThatLie) {
  const std::string bytes = zip_of({{"a", "1"}}, [](std::string& end) {
    put_number(end, 8, std::uint16_t{65535});
    put_number(end, 10, std::uint16_t{65535});
  });
  const fs::path path = put(bytes);
  const auto refuse = [](std::size_t, const char*) -> Block {
    throw Error(ExitCode::memory, "memory was taken");
  };
  expect_error(ExitCode::data, {"cannot have 65535 entries"}, [&] { const ZipFile zip(path, refuse); });
}

}  // namespace
}  // namespace ebb::data

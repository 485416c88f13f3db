// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "data/fixtures.h"
#include "data/tar/reader.h"
#include "data/tar_files.h"

namespace ebb::data {
namespace {

using namespace testing;
using ::testing::ElementsAre;

class Tar : public ::testing::Test {
 protected:
  std::vector<TarMember> members(const std::string& archive) {
    write_bytes(dir_ / "a.tar", archive);
    TarReader reader(dir_ / "a.tar");
    std::vector<TarMember> all;
    while (const auto member = reader.next()) all.push_back(*member);
    EXPECT_FALSE(reader.next().has_value()) << "more after the end";
    return all;
  }
  std::vector<std::string> names(const std::string& archive) {
    std::vector<std::string> all;
    for (const TarMember& member : members(archive)) all.push_back(member.name);
    return all;
  }
  void expect_refused(const std::string& archive, const std::vector<std::string>& words) {
    expect_error(ExitCode::data, words, [&] { (void)members(archive); });
  }
  Scratch dir_;
};

TEST_F(Tar, GivesNameTypeOffsetAndSizeOfEachMember) {
  const auto all = members(tar_file("a/", "", '5') + tar_file("a/x.jpg", std::string(513, 'x')) +
                           tar_header("a/link", 700, '1') + tar_file("a/y.jpg", "") +
                           tar_file("old", "1234", '\0') + tar_file("contiguous", "5", '7') + kTarEnd);
  ASSERT_EQ(all.size(), 6U);
  EXPECT_EQ(all[0].type, '5');
  EXPECT_EQ(all[1].name, "a/x.jpg");
  EXPECT_EQ(all[1].offset, 1024);
  EXPECT_EQ(all[1].size, 513);
  EXPECT_EQ(all[2].size, 0) << "a link has no contents, whatever its header says";
  EXPECT_EQ(all[3].offset, 1024 + 1024 + 512 + 512);
  EXPECT_EQ(all[4].type, '0');
  EXPECT_EQ(all[4].offset, all[3].offset + 512);
  EXPECT_EQ(all[5].type, '0');
  std::vector<std::byte> buffer;
  const ReadFile file(dir_ / "a.tar", ExitCode::data);
  const auto contents = read_tar_member(file, dir_ / "a.tar", all[4].offset, 4, buffer);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(contents.data()), contents.size()), "1234");
}

TEST_F(Tar, ReadsTheLongNamesOfEveryForm) {
  const std::string whole = std::string(200, 'd') + "/1.png";
  std::string ustar = tar_header("1.png", 1);
  ustar = with_checksum(ustar.replace(345, 100, std::string(100, 'd')));
  std::string gnu = tar_header("1.png", 1, '0', kGnuMagic);
  gnu = with_checksum(gnu.replace(345, 11, "01234567012"));  // GNU's time of access
  EXPECT_THAT(names(ustar + padded("u") + gnu + padded("g") + tar_file("././@LongLink", whole + '\0', 'L') +
                    tar_file("././@LongLink", "target", 'K') + tar_file(whole.substr(0, 100), "l") +
                    tar_file("pax", pax_record("mtime", "1.5") + pax_record("path", whole + " = \n"), 'x') +
                    tar_file("p", "p") + tar_file("last", "") + kTarEnd),
              ElementsAre(std::string(100, 'd') + "/1.png", "1.png", whole, whole + " = \n", "last"));
}

TEST_F(Tar, AGlobalPaxHeaderHoldsUntilItIsReplaced) {
  EXPECT_THAT(
      names(tar_file("g", pax_record("comment", "x") + pax_record("path", "all"), 'g') + tar_file("a", "") +
            tar_file("x", pax_record("path", "one"), 'x') + tar_file("b", "") + tar_file("c", "") +
            tar_file("g", pax_record("path", ""), 'g') + tar_file("d", "") + kTarEnd),
      ElementsAre("all", "one", "all", "d"));
}

TEST_F(Tar, ReadsLargeSizesInBothForms) {
  const auto base_256 = members(tar_header_of_size("a", std::string("\x80\0\0\0\0\0\0\0\0\0\x02\x01", 12)) +
                                std::string(1024, 'a') + kTarEnd);
  ASSERT_EQ(base_256.size(), 1U);
  EXPECT_EQ(base_256[0].size, 513);
  const auto pax = members(tar_file("x", pax_record("size", "513"), 'x') + tar_header("a", 0) +
                           std::string(1024, 'a') + tar_file("b", "") + kTarEnd);
  ASSERT_EQ(pax.size(), 2U);
  EXPECT_EQ(pax[0].size, 513);
}

TEST_F(Tar, NamesThatLeaveTheFolderAreOnlyNames) {
  EXPECT_THAT(names(tar_file("../../etc/passwd", "x") + tar_file("/etc/shadow", "y") + kTarEnd),
              ElementsAre("../../etc/passwd", "/etc/shadow"));
}

TEST_F(Tar, NoticesEveryLengthThatIsTooShort) {
  const std::string first = tar_file("long", "name", 'L') + tar_file("a", std::string(700, 'a'));
  const std::string whole = first + tar_file("b", "b");
  for (std::size_t bytes = 0; bytes < whole.size() + 512; bytes += 29) {
    SCOPED_TRACE(bytes);
    expect_refused((whole + kTarEnd).substr(0, bytes), {"a.tar"});
  }
  expect_refused(first, {"ends at byte 2560 without the marker of its end", "truncate -s +1024"});
  expect_refused(first.substr(0, 2000), {"the header at byte 1024 gives 700 bytes", "ends after 464"});
  expect_refused(first + tar_file("b", "b").substr(0, 100), {"the header at byte 2560 is cut short", "2660"});
  EXPECT_EQ(members(whole + kTarEnd.substr(0, 512)).size(), 2U) << "one block of the marker is enough";
}

TEST_F(Tar, NoticesADamagedHeaderAnywhere) {
  const std::string whole = tar_file("a", "contents") + tar_file("b", "others") + kTarEnd;
  for (std::size_t at = 1024; at < 1536; ++at) {
    SCOPED_TRACE(at);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
    expect_refused(damaged, {"the header at byte 1024 has a wrong checksum"});
  }
}

TEST_F(Tar, RefusesSizesThatLie) {
  const auto size = [](std::string_view text) { return tar_header_of_size("a", text) + kTarEnd; };
  expect_refused(tar_header("a", 07777777777ULL) + kTarEnd,
                 {"byte 0 gives 1073741823 bytes", "ends after 1024"});
  expect_refused(tar_header("a", 1025) + kTarEnd, {"gives 1025 bytes", "ends after 1024"});
  expect_refused(size(std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 12)),
                 {"byte 0", "negative size"});
  expect_refused(size(std::string("\x80\0\0\1\0\0\0\0\0\0\0\0", 12)), {"more than 63 bits"});
  expect_refused(size(std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)),
                 {"gives 9223372036854775807 bytes"});
  expect_refused(size("0000000008 "), {"no octal number"});
  expect_refused(size("-0000000001"), {"no octal number"});
  expect_refused(tar_file("x", pax_record("size", "3"), 'x') + tar_file("a", "1234") + kTarEnd,
                 {"header at byte 1024 gives 4 bytes", "the pax header before it 3", "disagree"});
  expect_refused(tar_file("x", pax_record("size", "-3"), 'x') + tar_file("a", "") + kTarEnd,
                 {"the size '-3'", "no number of bytes"});
}

TEST_F(Tar, RefusesMalformedPaxRecords) {
  for (const char* records :
       {"x", "9", "9 ", "0 a=b\n", "5 a=b\n", "7 a=b\n", "6 a=bc", "99999999999999999999 a=b\n", "-6 a=b\n",
        "6 aab\n", " 6 a=b\n", "3 \n", "4 =\nx"}) {
    SCOPED_TRACE(records);
    expect_refused(tar_file("x", records, 'x') + tar_file("a", "") + kTarEnd,
                   {"byte 0 of pax", "record at byte 0"});
  }
  expect_refused(tar_file("x", pax_record("path", std::string("a\0b", 3)), 'x') + tar_file("a", "") + kTarEnd,
                 {"a path with a zero byte"});
  expect_refused(tar_header("x", 2 << 20, 'x') + std::string(2 << 20, ' ') + kTarEnd,
                 {"2.0 MiB of name or pax records"});
  expect_refused(tar_file("x", pax_record("path", "a"), 'x') + kTarEnd, {"byte 1024 is missing"});
}

TEST_F(Tar, RefusesSparseFilesVolumesAndJoinedArchives) {
  const std::string file = tar_file("a", "");
  expect_refused(tar_file("s", "", 'S') + kTarEnd, {"byte 0", "sparse", "--sparse"});
  expect_refused(tar_file("x", pax_record("GNU.sparse.major", "1"), 'x') + file + kTarEnd,
                 {"byte 0", "sparse"});
  expect_refused(tar_file("m", "", 'M') + kTarEnd, {"another volume"});
  expect_refused(file + kTarEnd + file + kTarEnd, {"the first at byte 1536", "joined", "--concatenate"});
  EXPECT_EQ(members(file + kTarEnd + std::string(9000, '\0')).size(), 1U) << "writers pad to 10 KiB";
}

TEST_F(Tar, NamesWhatIsNoPlainArchive) {
  expect_refused("", {"a.tar is empty"});
  expect_refused(std::string(2048, 'x'), {"a.tar is no tar archive"});
  for (const auto& [magic, kind] :
       std::vector<std::pair<std::string, std::string>>{{"\x1f\x8b", "gzip"},
                                                        {"\x28\xb5\x2f\xfd", "Zstandard"},
                                                        {"BZh9", "bzip2"},
                                                        {"\xfd"
                                                         "7zXZ",
                                                         "xz"}})
    expect_refused(magic + std::string(1000, 'x'), {"packed by " + kind, "unpack it"});
}

TEST_F(Tar, AMemberIsReadOnlyWhereItsHeaderIs) {
  write_bytes(dir_ / "a.tar", tar_file("a/", "", '5') + tar_file("a/x", "1234") + kTarEnd);
  const ReadFile file(dir_ / "a.tar", ExitCode::data);
  std::vector<std::byte> buffer;
  const auto read = [&](std::int64_t offset, std::int64_t size) {
    expect_error(ExitCode::data, {"a.tar", std::to_string(offset), "changed since it was indexed"},
                 [&] { (void)read_tar_member(file, dir_ / "a.tar", offset, size, buffer); });
  };
  EXPECT_EQ(read_tar_member(file, dir_ / "a.tar", 1024, 4, buffer).size(), 4U);
  read(1024, 5);
  read(512, 0);  // a folder
  read(1536, 4);
  read(0, 4);
  read(-512, 4);
  read(1024, -1);
  read(1024, std::int64_t{1} << 62);
  read(std::int64_t{1} << 62, 4);
}

}  // namespace
}  // namespace ebb::data

// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <vector>

#include "base/atomic_file.h"
#include "base/line_file.h"

namespace ebb {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class FileTest : public ::testing::Test {
 protected:
  FileTest() {
    std::string pattern = (fs::temp_directory_path() / "ebb-file-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileTest() override { fs::remove_all(folder_); }

  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
};

// Runs `action` and returns the Error that it throws.
Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no exception was thrown";
  return {ExitCode::ok, ""};
}

TEST_F(FileTest, AtomicFileExistsAfterCommit) {
  const fs::path path = folder_ / "manifest.json";
  AtomicFile file(path);
  file.append(std::string_view("one "));
  file.append(std::string_view("two"));
  EXPECT_EQ(file.bytes_written(), 7);
  EXPECT_FALSE(fs::exists(path)) << "not before the commit";
  file.commit();
  EXPECT_EQ(read_file(path, ExitCode::data), "one two");
  EXPECT_EQ(files(), 1U);
}

TEST_F(FileTest, AtomicFileLeavesNothingWithoutCommit) {
  {
    AtomicFile file(folder_ / "manifest.json");
    file.append(std::string_view("half"));
  }
  EXPECT_EQ(files(), 0U);
}

TEST_F(FileTest, AtomicFileWithoutCommitKeepsTheOldFile) {
  const fs::path path = folder_ / "manifest.json";
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.append(std::string_view("new"));
  }
  EXPECT_EQ(read_file(path, ExitCode::data), "old");
  write_file_atomically(path, "new");
  EXPECT_EQ(read_file(path, ExitCode::data), "new");
}

TEST_F(FileTest, AtomicFileRefusesUseAfterCommit) {
  AtomicFile file(folder_ / "a");
  file.commit();
  EXPECT_EQ(error_of([&] { file.append(std::string_view("x")); }).code(), ExitCode::internal);
  EXPECT_EQ(error_of([&] { file.commit(); }).code(), ExitCode::internal);
}

// Two processes with the same number, in two containers, may write the same file.
TEST_F(FileTest, AtomicFilesOfOnePathDoNotShareATemporaryFile) {
  AtomicFile first(folder_ / "a"), second(folder_ / "a");
  EXPECT_EQ(files(), 2U);
  first.append(std::string_view("first"));
  second.append(std::string_view("2"));
  first.commit();
  EXPECT_EQ(read_file(folder_ / "a", ExitCode::data), "first");
  second.commit();
  EXPECT_EQ(read_file(folder_ / "a", ExitCode::data), "2");
}

TEST_F(FileTest, TemporaryFilesOfAKilledProcessAreRemovedOnceTheyAreOld) {
  const fs::path old = folder_ / "log.tmp.0123456789abcdef", recent = folder_ / "log.tmp.ffffffffffffffff";
  const std::vector<fs::path> others = {folder_ / "log", folder_ / "log.tmp.12",
                                        folder_ / "x.tmp.0123456789abcdeg", folder_ / "0123456789abcdef"};
  write_file_atomically(recent, "");
  const auto hour_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  std::vector<fs::path> aged = others;
  aged.push_back(old);
  for (const fs::path& path : aged) {
    write_file_atomically(path, "");
    fs::last_write_time(path, hour_ago);
  }
  remove_temporary_files(folder_, std::chrono::minutes(1));
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(recent));
  for (const fs::path& path : others) EXPECT_TRUE(fs::exists(path)) << path;
  remove_temporary_files(folder_ / "none", std::chrono::minutes(1));
}

TEST_F(FileTest, ALogWhoseFolderIsRenamedOrRemovedIsNoticedAtTheNextLine) {
  for (const bool renamed : {true, false}) {
    LineFile log(folder_ / "run" / "log");
    log.line("1");
    if (renamed)
      fs::rename(folder_ / "run", folder_ / "other");
    else
      fs::remove_all(folder_ / "run");
    const Error error = error_of([&] { log.line("2"); });
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_THAT(error.what(), HasSubstr((folder_ / "run" / "log").string() + " is no longer there"));
  }
}

TEST_F(FileTest, TheHeadOfAFileAndTheEntriesOfAFolder) {
  make_folders(folder_ / "four");
  write_file_atomically(folder_ / "four/a", "abcd");
  EXPECT_EQ(read_head(folder_ / "four/a", 3, ExitCode::data), "abc");
  EXPECT_EQ(read_head(folder_ / "four/a", 9, ExitCode::data), "abcd");
  EXPECT_EQ(error_of([&] { read_head(folder_ / "none", 3, ExitCode::usage); }).code(), ExitCode::usage);
  write_file_atomically(folder_ / "four/b", "");
  std::set<std::string> names;
  for_each_entry(folder_ / "four", [&](const auto& entry) { names.insert(entry.path().filename()); });
  EXPECT_EQ(names, (std::set<std::string>{"a", "b"}));
  const Error missing = error_of([&] { for_each_entry(folder_ / "none", [](const auto&) {}); });
  EXPECT_EQ(missing.code(), ExitCode::data);
  EXPECT_THAT(missing.what(), HasSubstr("cannot list " + (folder_ / "none").string()));
}

TEST_F(FileTest, APipeOrADeviceIsRefusedAtOnce) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const fs::path& path : {pipe, fs::path("/dev/zero")}) {
    const Error whole = error_of([&] { read_file(path, ExitCode::usage); });
    EXPECT_EQ(whole.code(), ExitCode::usage);
    EXPECT_THAT(whole.what(),
                HasSubstr("cannot read " + path.string() + ": it is a pipe, a socket or a device"));
    EXPECT_EQ(error_of([&] { ReadFile(path, ExitCode::data); }).code(), ExitCode::data);
  }
}

TEST_F(FileTest, AFileThatIsTooLargeToBeReadAsAWholeIsRefused) {
  write_file_atomically(folder_ / "large", "");
  fs::resize_file(folder_ / "large", (std::int64_t{1} << 30) + 1);  // a hole
  const Error error = error_of([&] { read_file(folder_ / "large", ExitCode::data); });
  EXPECT_EQ(error.code(), ExitCode::data);
  EXPECT_THAT(error.what(), HasSubstr("more than 1.0 GiB"));
}

TEST_F(FileTest, AFileIsTruncated) {
  write_file_atomically(folder_ / "a", "12345");
  truncate_file(folder_ / "a", 2);
  EXPECT_EQ(read_file(folder_ / "a", ExitCode::data), "12");
  EXPECT_EQ(error_of([&] { truncate_file(folder_ / "none", 0); }).code(), ExitCode::storage);
}

TEST_F(FileTest, AtomicFileInAMissingFolderIsAStorageError) {
  const Error error = error_of([&] { AtomicFile(folder_ / "gone" / "a"); });
  EXPECT_EQ(error.code(), ExitCode::storage);
  EXPECT_THAT(error.what(), HasSubstr("cannot create " + (folder_ / "gone" / "a").string() + ":"));
  EXPECT_THAT(error.what(), HasSubstr("No such file or directory"));
}

TEST_F(FileTest, AtomicFileOntoAFolderFailsAndLeavesNoTemporaryFile) {
  AtomicFile file(folder_ / "a");
  fs::create_directories(folder_ / "a" / "b");
  EXPECT_EQ(error_of([&] { file.commit(); }).code(), ExitCode::storage);
  const Error early = error_of([&] { AtomicFile again(folder_ / "a"); });
  EXPECT_THAT(early.what(), HasSubstr("cannot write " + (folder_ / "a").string() + ": Is a directory"));
  EXPECT_EQ(files(), 1U);
}

// rename() would replace it, even a device of the system; a log would wait for its reader.
TEST_F(FileTest, APipeIsNeitherReplacedNorAppendedTo) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const Error replaced = error_of([&] { write_file_atomically(pipe, "x"); });
  EXPECT_EQ(replaced.code(), ExitCode::storage);
  EXPECT_THAT(replaced.what(), HasSubstr("cannot write " + pipe.string() + ": it is a pipe"));
  EXPECT_THAT(error_of([&] { LineFile log(pipe); }).what(), HasSubstr("cannot append to " + pipe.string()));
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(files(), 1U);
}

// A file system of 64 KiB, in its own process with its own mounts. It leaves nothing behind in any
// case.
int write_into_full_disk(const fs::path& folder) {
  constexpr int kCannotMount = 77;
  if (::unshare(CLONE_NEWNS) != 0) return kCannotMount;
  ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0) return kCannotMount;
  try {
    AtomicFile file(folder / "big");
    const std::vector<std::byte> bytes(std::size_t{1} << 20);
    file.append(bytes);
  } catch (const Error& error) {
    const std::string what = error.what();
    if (error.code() != ExitCode::storage) return 1;
    if (what.find("cannot write 1.0 MiB at 0 B of " + (folder / "big").string()) == std::string::npos)
      return 2;
    if (what.find("No space left on device; free some space there") == std::string::npos) return 3;
    return fs::is_empty(folder) ? 0 : 4;
  }
  return 5;
}

TEST_F(FileTest, AtomicFileOnAFullDiskReportsItAndLeavesNothing) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(write_into_full_disk(folder_));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77)
    GTEST_SKIP() << "a tmpfs cannot be mounted here (needs root with CAP_SYS_ADMIN)";
  EXPECT_EQ(WEXITSTATUS(status), 0)
      << "1: another code, 2: place not named, 3: reason not named, 4: a file is left";
}

TEST_F(FileTest, ReadingAMissingFileHasTheCallersCode) {
  const fs::path path = folder_ / "absent";
  for (const ExitCode code : {ExitCode::data, ExitCode::usage}) {
    const Error error = error_of([&] { read_file(path, code); });
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.what(), "cannot open " + path.string() + ": No such file or directory");
    EXPECT_EQ(error_of([&] { ReadFile(path, code); }).code(), code);
  }
  EXPECT_THAT(error_of([&] { read_file(folder_, ExitCode::data); }).what(), HasSubstr("Is a directory"));
  EXPECT_THAT(error_of([&] { ReadFile(folder_, ExitCode::data); }).what(), HasSubstr("Is a directory"));
}

TEST_F(FileTest, ReadFileReadsAtOffsets) {
  write_file_atomically(folder_ / "a", "0123456789");
  ReadFile file(folder_ / "a", ExitCode::data);
  EXPECT_EQ(file.size(), 10);
  std::array<std::byte, 4> out{};
  file.read_at(6, out);
  EXPECT_EQ(std::memcmp(out.data(), "6789", 4), 0);
  const ReadFile moved(std::move(file));
  moved.read_at(0, out);
  EXPECT_EQ(std::memcmp(out.data(), "0123", 4), 0);
}

TEST_F(FileTest, ReadingBeyondTheEndIsADataErrorWithSizes) {
  write_file_atomically(folder_ / "a", "0123456789");
  const ReadFile file(folder_ / "a", ExitCode::usage);
  std::array<std::byte, 4> out{};
  const Error error = error_of([&] { file.read_at(8, out); });
  EXPECT_EQ(error.code(), ExitCode::data);
  EXPECT_THAT(error.what(), HasSubstr((folder_ / "a").string()));
  EXPECT_THAT(error.what(), HasSubstr("4 bytes were expected at byte 8, the file had 10 bytes"));
}

TEST_F(FileTest, MakeFoldersCreatesAllAndIsIdempotent) {
  make_folders(folder_ / "a" / "b" / "c");
  make_folders(folder_ / "a" / "b" / "c");
  EXPECT_TRUE(fs::is_directory(folder_ / "a" / "b" / "c"));
}

TEST_F(FileTest, MakeFoldersOverAFileIsAStorageError) {
  write_file_atomically(folder_ / "a", "");
  for (const fs::path& path : {folder_ / "a", folder_ / "a" / "b"}) {
    const Error error = error_of([&] { make_folders(path); });
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_THAT(error.what(), HasSubstr(path.string()));
  }
}

TEST_F(FileTest, LineFileAppendsWholeLinesAndCreatesItsFolder) {
  const fs::path path = folder_ / "memory" / "rank-00000.jsonl";
  LineFile(path).line("{\"step\":1}");
  LineFile file(path);
  file.line("{\"step\":2}");
  EXPECT_EQ(read_file(path, ExitCode::data), "{\"step\":1}\n{\"step\":2}\n") << "at once, without a close";
}

TEST_F(FileTest, LineFileThatCannotBeWrittenIsAStorageError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full";
  LineFile file("/dev/full");
  const Error error = error_of([&] { file.line("x"); });
  EXPECT_EQ(error.code(), ExitCode::storage);
  EXPECT_THAT(error.what(), HasSubstr("append a line of 2 bytes to /dev/full: No space left on device"));
}

}  // namespace
}  // namespace ebb

// SPDX-License-Identifier: Apache-2.0
#include "launch/output_buffer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "support/folder_test.h"

namespace ebb::launch {
namespace {

using testing::EndsWith;
using testing::StartsWith;

class OutputBufferTest : public test::FolderTest {};

TEST_F(OutputBufferTest, ASlowReaderMissesWholeLinesAndIsTold) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  OutputBuffer buffer(ends[1]);
  const std::string line = std::string(99, 'x') + "\n";
  constexpr int kLines = 30000;  // three megabytes; the pipe holds 64 KiB and the buffer one MiB
  for (int i = 0; i < kLines; ++i) buffer.put(line);
  ASSERT_EQ(::fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  std::string read;
  std::array<char, 4096> block{};
  while (buffer.is_waiting() || read.empty()) {
    for (ssize_t n = 0; (n = ::read(ends[0], block.data(), block.size())) > 0;)
      read.append(block.data(), static_cast<std::size_t>(n));
    buffer.write();
  }
  for (ssize_t n = 0; (n = ::read(ends[0], block.data(), block.size())) > 0;)
    read.append(block.data(), static_cast<std::size_t>(n));
  ::close(ends[0]);
  ::close(ends[1]);
  const std::size_t note = read.find("[");
  ASSERT_NE(note, std::string::npos);
  const std::string after = read.substr(read.find('\n', note) + 1);
  EXPECT_THAT(read.substr(note), StartsWith("["));
  EXPECT_THAT(read, EndsWith(line));
  EXPECT_EQ(after.size() % line.size(), 0U) << "a line was cut";
  const std::size_t missing = std::stoull(read.substr(note + 1));
  const std::size_t note_size = read.find('\n', note) + 1 - note;
  const std::size_t own_line = note % line.size() == 0 ? 0 : 1;  // the note begins a line of its own
  EXPECT_EQ(read.size() - note_size - own_line + missing, kLines * line.size());
}

TEST_F(OutputBufferTest, ADiskThatWasFullTakesTheTextThatFollows) {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  OutputBuffer buffer(fd);
  buffer.put("lost\n");
  EXPECT_FALSE(buffer.is_waiting());
  const auto path = folder_ / "log";
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::dup2(file, fd), fd);
  buffer.put("kept\n");
  ::close(file);
  ::close(fd);
  EXPECT_EQ(contents("log"), "[5 bytes of output are missing here]\nkept\n");
}

}  // namespace
}  // namespace ebb::launch

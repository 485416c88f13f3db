// SPDX-License-Identifier: Apache-2.0
#include "cli/output_option.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "base/error.h"
#include "support/folder_test.h"

namespace ebb::cli {
namespace {

using ::testing::HasSubstr;

class OutputOption : public test::FolderTest {
 protected:
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static void refused(const std::string& path, OutputKind kind, const std::string& reason) {
    try {
      check_output_option("-o", path, kind);
      ADD_FAILURE() << path << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_THAT(error.what(), HasSubstr("-o " + path + ": "));
      EXPECT_THAT(error.what(), HasSubstr(reason));
    }
  }
};

TEST_F(OutputOption, NewFilesAndEarlierOutputsAreAccepted) {
  const std::string png("\x89PNG\r\n\x1a\n and more", 17);
  for (const auto kind : {OutputKind::png, OutputKind::json, OutputKind::text})
    EXPECT_NO_THROW(check_output_option("-o", "", kind));
  EXPECT_NO_THROW(check_output_option("-o", "new.png", OutputKind::png)) << "in this folder";
  EXPECT_NO_THROW(check_output_option("-o", folder_ / "NEW.PNG", OutputKind::png));
  EXPECT_NO_THROW(check_output_option("-o", file("old.png", png), OutputKind::png));
  EXPECT_NO_THROW(check_output_option("-o", file("empty.png", ""), OutputKind::png));
  EXPECT_NO_THROW(check_output_option("-o", file("old.json", "{}\n"), OutputKind::json));
  EXPECT_NO_THROW(check_output_option("-o", folder_ / "README.md", OutputKind::text));
}

TEST_F(OutputOption, FilesOfOtherKindsAreNotReplaced) {
  const std::string readme = file("README.md", "# Notes\n");
  refused(readme, OutputKind::png, "give a name that ends in .png");
  refused(readme, OutputKind::json, "the file exists and is no earlier output");
  refused(readme, OutputKind::text, "the file exists: give another name");
  refused(file("photo.png", "\xff\xd8\xff\xe0"), OutputKind::png, "the file exists and is no earlier output");
  refused(folder_ / "a.jpg", OutputKind::png, "images are written as PNG");
}

TEST_F(OutputOption, WhatIsNoFileIsNamed) {
  std::filesystem::create_directory(folder_ / "there.png");
  const std::string pipe = folder_ / "pipe.png";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  refused(folder_ / "there.png", OutputKind::png, "it is a folder");
  refused((folder_ / "new").string() + "/", OutputKind::text, "it is a folder");
  refused(folder_ / "gone" / "a.png", OutputKind::png, "there is no folder " + (folder_ / "gone").string());
  refused(pipe, OutputKind::png, "it is a pipe, a socket or a device");
  refused("/dev/zero", OutputKind::text, "it is a pipe, a socket or a device");
}

}  // namespace
}  // namespace ebb::cli

// SPDX-License-Identifier: Apache-2.0
// The commands that start no rank, through the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "support/process.h"

namespace ebb::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProcessResult ebb(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ebb_binary());
  return run(arguments);
}

std::string shipped_config() {
  return source_dir() + "/configs/vae-fashion-mnist.yaml";
}

TEST(Version, NamesTheLinkedLibraries) {
  const ProcessResult result = ebb({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, ::testing::ContainsRegex("ebb +[0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_THAT(result.out, ::testing::ContainsRegex("LibTorch +[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(result.out, ::testing::ContainsRegex("CUDA +([0-9]+\\.[0-9]+|not in this build)"));
  EXPECT_THAT(result.out, ::testing::ContainsRegex("NCCL +([0-9]+\\.[0-9]+|not in this build)"));
  EXPECT_THAT(result.out, ::testing::ContainsRegex("MPI +Open MPI v[0-9]+"));
}

TEST(Usage, AWrongCommandLineIsReportedWithCode2) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"trian"},
                                             {},
                                             {"launch", "-n", "two", "x.yaml"},
                                             {"launch", "-n", "0", "x.yaml"},
                                             {"data"},
                                             {"config"},
                                             {"data", "pack", "in", "-o", "out", "--compression", "rar"},
                                             {"data", "pack", "in", "-o", ""},
                                             {"export", "run", "-o", ""},
                                             {"config", shipped_config(), "--schema"}}) {
    const ProcessResult result = ebb(wrong);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(wrong);
    EXPECT_THAT(result.err, ::testing::StartsWith("ebb: "));
    EXPECT_EQ(result.out, "");
  }
}

TEST(Usage, AWrongWordIsAnsweredWithTheOneThatIsProbablyMeant) {
  using Words = std::vector<std::string>;
  for (const auto& [words, answer] : std::vector<std::pair<Words, std::string>>{
           {{"lanch"}, "did you mean `ebb launch`?"},
           {{"launch", "-np", "2", "x.yaml"}, "-np is an option of mpirun: write `ebb launch -n N CONFIG`"},
           {{"launch", "--supervize", "x.yaml"}, "did you mean `--supervise`?\n  see: ebb launch --help"},
           {{"launch", "--lr", "1e-3", "x.yaml"}, "keys have no dashes: write `optimizer.lr=VALUE`"},
           {{"train", "--learning-rate=1e-3", "x.yaml"},
            "write `optimizer.lr=VALUE`\n  see: ebb train --help"},
           {{"data", "pack", "a", "-o", "b", "--tokeniser", "bytes"},
            "did you mean `--tokenizer`?\n  see: ebb data pack --help"},
           {{"sample", "x", "--seed", "-1"}, "-1 is not a whole number from 0 to 9223372036854775807"}}) {
    const ProcessResult result = ebb(words);
    EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
    EXPECT_THAT(result.err, HasSubstr(answer));
  }
}

TEST(Usage, HelpAndTheVersionHaveSynonyms) {
  EXPECT_EQ(ebb({"help"}).out, ebb({"--help"}).out);
  const ProcessResult train = ebb({"help", "train"});
  EXPECT_EQ(train.exit_code, 0);
  EXPECT_EQ(train.out, ebb({"train", "--help"}).out);
  for (const char* word : {"-v", "version"}) EXPECT_EQ(ebb({word}).out, ebb({"--version"}).out) << word;
}

TEST(Usage, HelpListsTheCommands) {
  const ProcessResult result = ebb({"--help"});
  EXPECT_EQ(result.exit_code, 0);
  for (const char* command : {"train", "launch", "sample", "data", "config", "doctor"})
    EXPECT_THAT(result.out, HasSubstr(command));
}

TEST(Usage, HelpNamesTheFormatsAndTheModelsOfTheRegistries) {
  // Help may break a text at any space.
  const auto help_of = [](std::vector<std::string> command) {
    command.emplace_back("--help");
    return std::regex_replace(ebb(std::move(command)).out, std::regex("\\s+"), " ");
  };
  const std::string pack = help_of({"data", "pack"});
  EXPECT_THAT(pack, HasSubstr("MDS shards of pictures, or of an IDX dataset"));
  EXPECT_THAT(pack, HasSubstr("or with --tokenizer a token file of text"));
  EXPECT_THAT(help_of({"data", "inspect"}), HasSubstr("a folder with an index.json, or a token file"));
  EXPECT_THAT(help_of({"data", "verify"}), Not(HasSubstr("token file")));
  EXPECT_THAT(help_of({"import"}), HasSubstr("model_type is gpt2 or llama"));
  EXPECT_THAT(ebb({"config", "--explain", "model.kind"}).out, HasSubstr("samples.txt"));
}

TEST(Config, TheSchemaIsJsonAndHasEverySection) {
  const ProcessResult result = ebb({"config", "--schema"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const nlohmann::json schema = nlohmann::json::parse(result.out);
  for (const char* section : {"run", "model", "data", "precision", "optimizer", "parallel", "memory",
                              "checkpoint", "telemetry", "average", "evaluate"}) {
    EXPECT_TRUE(schema.at("properties").contains(section)) << section;
  }
}

TEST(Config, TheSchemaAcceptsTheShippedFilesAndRefusesAnUnknownKey) {
  if (run({"python3", "-c", "import jsonschema, yaml"}).exit_code != 0)
    GTEST_SKIP() << "needs python3 with jsonschema and yaml";
  const std::string check =
      "import json, sys, glob, re, yaml, jsonschema\n"
      // PyYAML follows YAML 1.1, where 1e-3 is a string. In ebb and YAML 1.2 it is a number.
      "yaml.SafeLoader.add_implicit_resolver('tag:yaml.org,2002:float',"
      " re.compile(r'[-+]?[0-9]+(\\.[0-9]*)?[eE][-+]?[0-9]+$'), list('-+0123456789'))\n"
      "schema = json.load(sys.stdin)\n"
      "validator = jsonschema.Draft202012Validator(schema)\n"
      "files = glob.glob(sys.argv[1] + '/configs/*.yaml')\n"
      "assert files\n"
      "for f in files: validator.validate(yaml.safe_load(open(f)))\n"
      "wrong = yaml.safe_load(open(files[0])); wrong['run']['nmae'] = 'x'\n"
      "assert not validator.is_valid(wrong)\n";
  ProcessOptions options;
  options.input = ebb({"config", "--schema"}).out;
  const ProcessResult result = run({"python3", "-c", check, source_dir()}, options);
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST(Config, ExplainsAKeyASectionAndAll) {
  EXPECT_THAT(ebb({"config", "--explain", "optimizer.lr"}).out, HasSubstr("optimizer.lr"));
  const std::string all = ebb({"config", "--explain"}).out;
  EXPECT_THAT(all, HasSubstr("optimizer.lr"));
  EXPECT_THAT(all, HasSubstr("run.seed"));
  EXPECT_THAT(ebb({"config", "--explain", "run"}).out, Not(HasSubstr("optimizer.lr")));
}

TEST(Config, AnUnknownKeyGetsTheNearestAsSuggestion) {
  const ProcessResult result = ebb({"config", "--explain", "optimizer.lrr"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("optimizer.lr"));
}

TEST(Config, AFileIsPrintedResolvedAndReadsBackTheSame) {
  const TemporaryFolder folder;
  const ProcessResult first = ebb({"config", shipped_config(), "optimizer.lr=5e-4"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("telemetry:"));
  std::ofstream(folder / "again.yaml") << first.out;
  EXPECT_EQ(ebb({"config", folder / "again.yaml"}).out, first.out);
  EXPECT_EQ(ebb({"config", shipped_config(), "optimizer.lrr=1"}).exit_code, 2);
}

// IDX: magic 8 (type byte, dimensions), sizes, data, all big-endian.
void write_idx(const std::string& path, const std::vector<unsigned>& sizes, std::size_t bytes) {
  std::ofstream file(path, std::ios::binary);
  file << '\0' << '\0' << '\x08' << static_cast<char>(sizes.size());
  for (const unsigned size : sizes) {
    for (const int shift : {24, 16, 8, 0}) file << static_cast<char>(size >> shift & 0xFFU);
  }
  for (std::size_t i = 0; i < bytes; ++i) file << static_cast<char>(i * 7 % 251 % 10);
}

class DataCommands : public ::testing::Test {
 protected:
  DataCommands() {
    write_idx(folder_ / "images", {50, 8, 8}, 50 * 64);
    write_idx(folder_ / "labels", {50}, 50);
  }
  ProcessResult pack() {
    return ebb({"data", "pack", folder_ / "images", "--labels", folder_ / "labels", "-o", out_,
                "--shard-size", "1KiB"});
  }

  TemporaryFolder folder_;
  std::string out_ = folder_ / "packed";
};

TEST_F(DataCommands, PackedDataIsCompleteAndNotPackedAgain) {
  const ProcessResult first = pack();
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("packed: 50 samples in "));
  EXPECT_THAT(pack().out, ::testing::StartsWith("already packed: 50 samples in "));
  const ProcessResult inspected = ebb({"data", "inspect", out_});
  EXPECT_EQ(inspected.exit_code, 0);
  EXPECT_THAT(inspected.out, HasSubstr("image"));
  const ProcessResult verified = ebb({"data", "verify", out_});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("50"));
  EXPECT_EQ(std::count(verified.out.begin(), verified.out.end(), '\n'), 1);
}

TEST_F(DataCommands, TextBecomesATokenFileThatInspectShows) {
  std::ofstream(folder_ / "a.txt") << "In the beginning";
  const std::string tokens = folder_ / "a.bin";
  const ProcessResult packed = ebb({"data", "pack", folder_ / "a.txt", "--tokenizer", "bytes", "-o", tokens});
  ASSERT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_EQ(packed.out, "packed: 17 tokens of 1 document, vocabulary 257, in " + tokens + "\n");
  const ProcessResult inspected = ebb({"data", "inspect", tokens});
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_THAT(inspected.out, HasSubstr("llm.c, 2 bytes per token"));
  EXPECT_THAT(inspected.out, HasSubstr("32 to 256"));
  EXPECT_EQ(ebb({"data", "pack", folder_ / "a.txt", "--tokenizer", "words", "-o", tokens}).exit_code, 2);
  EXPECT_EQ(ebb({"data", "pack", folder_ / "a.txt", folder_ / "a.txt", "-o", out_}).exit_code, 2);
}

TEST_F(DataCommands, RefusedMemoryWhilePackingIsCodeFour) {
  std::ofstream(folder_ / "a.jsonl") << R"({"text": ")" << std::string(std::size_t{80} << 20, 'x') << "\"}\n";
  const ProcessResult result = run_shell("ulimit -d 200000; " + ebb_binary() + " data pack " +
                                         folder_ / "a.jsonl" + " --tokenizer bytes -o " + out_);
  EXPECT_EQ(result.exit_code, 4) << result.out;
  EXPECT_THAT(result.err, HasSubstr("refuses memory to pack text into " + out_));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(DataCommands, AByteThatIsNotUtf8IsTold) {
  std::filesystem::create_directory(folder_ / "t");
  nlohmann::json vocabulary;
  for (unsigned b = 0, next = 256; b < 256; ++b) {
    const bool is_plain = (b >= '!' && b <= '~') || (b >= 161 && b <= 172) || b >= 174;
    const unsigned c = is_plain ? b : next++;
    vocabulary[c < 0x80 ? std::string(1, static_cast<char>(c))
                        : std::string{static_cast<char>(0xc0 | (c >> 6)),
                                      static_cast<char>(0x80 | (c & 0x3f))}] = b;
  }
  vocabulary["<|endoftext|>"] = 256;
  std::ofstream(folder_ / "t/vocab.json") << vocabulary;
  std::ofstream(folder_ / "t/merges.txt") << "#version: 0.2\n";
  std::ofstream(folder_ / "a.txt") << "caf\xe9";
  const ProcessResult result =
      ebb({"data", "pack", folder_ / "a.txt", "--tokenizer", folder_ / "t", "-o", folder_ / "a.bin"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("packed: 5 tokens"));
  EXPECT_THAT(result.out, HasSubstr("not UTF-8: byte 0xe9 at offset 3 of document 1 is the first"));
}

TEST_F(DataCommands, WithoutATerminalNothingIsRedrawn) {
  const ProcessResult result = pack();
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\r")));
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\033")));
}

TEST_F(DataCommands, ADamagedShardIsFoundWithCodeThree) {
  ASSERT_EQ(pack().exit_code, 0);
  const ProcessResult shard = run_shell("ls " + out_ + "/*.mds | head -1 | tr -d '\\n'");
  std::fstream file(shard.out, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('\x7f');
  file.close();
  const ProcessResult result = ebb({"data", "verify", out_});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr(".mds"));
}

// 4 x 4, of one colour.
void write_bmp(const std::filesystem::path& path, char value) {
  std::filesystem::create_directories(path.parent_path());
  const auto word = [](unsigned v) {
    return std::string{static_cast<char>(v), static_cast<char>(v >> 8), '\0', '\0'};
  };
  std::ofstream(path, std::ios::binary)
      << "BM" << word(54 + 48) << word(0) << word(54) << word(40) << word(4) << word(4) << '\1' << '\0'
      << '\x18' << '\0' << std::string(24, '\0') << std::string(48, value);
}

TEST_F(DataCommands, AFolderOfPicturesIsInspectedVerifiedAndPacked) {
  const std::string pictures = folder_ / "pictures";
  for (int i = 0; i < 10; ++i)
    write_bmp(pictures + (i < 3 ? "/ant/" : "/bee/") + std::to_string(i) + ".bmp", static_cast<char>(i));
  std::ofstream(pictures + "/about.txt") << "x";
  const ProcessResult inspected = ebb({"data", "inspect", pictures});
  EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
  for (const char* part : {"pictures     10\n", "0          ant  3\n", "width        all 4\n",
                           "10 BMP colour", "skipped      1 .txt\n"})
    EXPECT_THAT(inspected.out, HasSubstr(part));
  const ProcessResult verified = ebb({"data", "verify", pictures});
  EXPECT_EQ(verified.exit_code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("is intact: 10 pictures"));
  const std::vector<std::string> pack = {"data",       "pack", pictures,       "--size", "8",  "--crop",
                                         "--channels", "1",    "--test-share", "0.2",    "-o", out_};
  const ProcessResult packed = ebb(pack);
  EXPECT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_THAT(packed.out,
              ::testing::MatchesRegex("packed: 8 samples of 1x8x8 with labels in 1 shard, .* B, in " + out_ +
                                      "/train\npacked: 2 samples of 1x8x8 with labels in 1 shard, .* B, in " +
                                      out_ + "/test\n"));
  EXPECT_THAT(ebb(pack).out, ::testing::StartsWith("already packed: 8 samples"));
  EXPECT_EQ(ebb({"data", "verify", out_ + "/test"}).exit_code, 0);
  const ProcessResult channels = ebb({"data", "pack", pictures, "--channels", "2", "-o", out_});
  EXPECT_EQ(channels.exit_code, 2);
  EXPECT_THAT(channels.err, HasSubstr("--channels"));
  const ProcessResult sizeless =
      ebb({"data", "pack", folder_ / "images", "--size", "8", "-o", out_ + "/idx"});
  EXPECT_EQ(sizeless.exit_code, 2);
  EXPECT_THAT(sizeless.err, HasSubstr("--size, --crop and --channels are for pictures"));
}

TEST_F(DataCommands, ABadSizeAndAMissingFolderAreNamed) {
  const ProcessResult size =
      ebb({"data", "pack", folder_ / "images", "-o", out_, "--shard-size", "8 elephants"});
  EXPECT_EQ(size.exit_code, 2);
  EXPECT_THAT(size.err, HasSubstr("8 elephants"));
  const ProcessResult missing = ebb({"data", "inspect", folder_ / "nowhere"});
  EXPECT_NE(missing.exit_code, 0);
  EXPECT_THAT(missing.err, HasSubstr("nowhere"));
}

}  // namespace
}  // namespace ebb::test

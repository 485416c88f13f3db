// SPDX-License-Identifier: Apache-2.0
// What the real program prints on terminals of several widths, and where there is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <regex>
#include <sstream>

#include "base/terminal.h"
#include "support/process.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Shown {
  int exit_code = -1;
  std::string text;  // without carriage returns at the ends of lines
};

// Runs a program in a pseudo-terminal. `on_output` gets all output so far, and the process.
Shown on_terminal(int columns, std::vector<std::string> argv,
                  std::map<std::string, std::string> variables = {},
                  const std::function<void(const std::string&, int terminal)>& on_output = {}) {
  winsize size{};
  size.ws_row = 40;
  size.ws_col = static_cast<unsigned short>(columns);
  variables.insert({"TERM", "xterm"});
  std::vector<char*> arguments;
  for (std::string& argument : argv) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    ::unsetenv("COLUMNS");
    for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  Shown shown;
  std::array<char, 4096> block{};
  // The read fails once no process has the terminal open.
  for (ssize_t n = 0; (n = ::read(terminal, block.data(), block.size())) > 0;) {
    for (const char c : std::string_view(block.data(), static_cast<std::size_t>(n))) {
      if (c == '\n' && shown.text.ends_with('\r')) shown.text.pop_back();
      shown.text += c;
    }
    if (on_output) on_output(shown.text, terminal);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(terminal);
  shown.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return shown;
}

// Expects that a line which is too long has no space at which it could be broken.
void expect_fits(const std::string& text, int columns, const std::string& of) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t word = line.find_first_not_of(' ');
    EXPECT_TRUE(display_width(line) <= static_cast<std::size_t>(columns) ||
                line.find(' ', word) == std::string::npos)
        << of << " at " << columns << ": " << line;
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += word + " ";
  return all;
}

std::string shipped_config() {
  return source_dir() + "/configs/vae-fashion-mnist.yaml";
}

// Everything that starts no rank and needs no data.
std::vector<std::vector<std::string>> commands() {
  std::vector<std::vector<std::string>> all = {{"--help"},
                                               {"data", "--help"},
                                               {"data", "pack", "--help"},
                                               {"data", "tokenizer", "--help"},
                                               {"data", "inspect", "--help"},
                                               {"data", "verify", "--help"},
                                               {"config", "--explain"},
                                               {"doctor"},
                                               {"plan", "--image=1x28x28", "-n", "2", shipped_config()}};
  for (const char* name :
       {"train", "launch", "sample", "evaluate", "export", "import", "config", "plan", "preflight", "doctor"})
    all.push_back({name, "--help"});
  return all;
}

TEST(Screen, EveryCommandFitsTheTerminal) {
  for (std::vector<std::string> command : commands()) {
    const std::string of = joined(command);
    command.insert(command.begin(), ebb_binary());
    std::size_t lines_before = 0;
    for (const int columns : {120, 80, 60}) {
      const Shown shown = on_terminal(columns, command);
      EXPECT_NE(shown.exit_code, 127) << of;
      expect_fits(shown.text, columns, of);
      EXPECT_THAT(shown.text, Not(HasSubstr("\033"))) << of;
      const auto lines = static_cast<std::size_t>(std::ranges::count(shown.text, '\n'));
      EXPECT_GT(lines, 3U) << of << shown.text;
      EXPECT_GE(lines, lines_before) << of << ": a narrower terminal has no fewer lines";
      lines_before = lines;
    }
  }
}

TEST(Screen, WithoutATerminalItIs80ColumnsOrTheVariable) {
  for (std::vector<std::string> command : commands()) {
    const std::string of = joined(command);
    command.insert(command.begin(), ebb_binary());
    ProcessOptions options;
    options.unset = {"COLUMNS"};
    const ProcessResult usual = run(command, options);
    expect_fits(usual.out, 80, of);
    options.environment["COLUMNS"] = "60";
    options.unset.clear();
    const ProcessResult narrow = run(command, options);
    expect_fits(narrow.out, 60, of);
    EXPECT_NE(usual.out, "") << of;
  }
}

TEST(Screen, HelpHasItsDescriptionsInAColumnOfTheirOwn) {
  const std::string help = on_terminal(80, {ebb_binary(), "launch", "--help"}).text;
  EXPECT_THAT(help, HasSubstr("\n  --supervise                 Restart mpirun after codes "));
  EXPECT_THAT(help, HasSubstr("\n                              "));
  EXPECT_THAT(on_terminal(60, {ebb_binary(), "launch", "--help"}).text,
              HasSubstr("\n  --supervise                 Restart mpirun after"));
}

TEST(Screen, AnErrorIsWrappedOnATerminalOnly) {
  const std::vector<std::string> wrong = {ebb_binary(), "sample", "/nowhere/" + std::string(30, 'x'),
                                          "--seed", "-1"};
  const Shown shown = on_terminal(60, wrong);
  EXPECT_EQ(shown.exit_code, 2);
  expect_fits(shown.text, 60, "an error");
  const ProcessResult plain = run(wrong);
  EXPECT_THAT(plain.err, HasSubstr("-1 is not a whole number from 0 to 9223372036854775807"));
}

// What a terminal keeps of a text: an erased line is gone.
std::string kept(std::string text) {
  const std::string erase = "\r\033[K";
  for (std::size_t at = text.find(erase); at != std::string::npos; at = text.find(erase)) {
    const std::size_t line = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;  // npos + 1: the first line
    text.erase(line, at + erase.size() - line);
  }
  return text;
}

// The lines of a run that are not commands to be copied: mpirun's is one line, that of the end has
// backslashes.
std::string without_mpirun(const std::string& text) {
  return text.substr(text.find('\n', text.find("mpirun")) + 1);
}

std::map<std::string, std::string> as_root() {
  return {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}};
}

TEST(Screen, ARunFitsTheTerminalAndShowsThatItEvaluates) {
  const TinyRun tiny;
  for (const int columns : {60, 80, 120}) {
    const Shown shown = on_terminal(
        columns, tiny.launch("run-" + std::to_string(columns), {"run.steps=4", "run.evaluate_every=2"}),
        as_root());
    ASSERT_EQ(shown.exit_code, 0) << shown.text;
    EXPECT_THAT(shown.text, HasSubstr("\r\033[Kstep 2/4 | evaluating"));
    EXPECT_THAT(shown.text, HasSubstr("\r\033[Kstep 4/4 | evaluating"));
    const std::string lines = kept(shown.text);
    EXPECT_THAT(lines, Not(HasSubstr("evaluating")));
    expect_fits(without_mpirun(lines), columns, "a run");
  }
}

TEST(Screen, ADumbTerminalGetsNoEscapes) {
  const TinyRun tiny;
  auto variables = as_root();
  variables["TERM"] = "dumb";
  const Shown shown = on_terminal(60, tiny.launch("dumb", {"run.steps=4"}), variables);
  ASSERT_EQ(shown.exit_code, 0) << shown.text;
  EXPECT_THAT(shown.text, Not(HasSubstr("\033")));
  EXPECT_THAT(shown.text, Not(HasSubstr("\r")));
  EXPECT_THAT(shown.text, HasSubstr("\nstep 4/4 | loss"));
  expect_fits(without_mpirun(shown.text), 60, "a run");
}

// The step of this run is long enough that the second Ctrl-C mostly comes before its end. A checkpoint may be
// complete nevertheless, and then rank 0 says so.
TEST(Screen, ASecondCtrlCDoesNotContradictTheFirst) {
  const TinyRun tiny;
  int pressed = 0;
  const Shown shown = on_terminal(
      80, tiny.launch("twice", {"run.steps=1000000", "checkpoint.every=0", "data.batch=4096"}), as_root(),
      [&](const std::string& text, int terminal) {
        const char* const next = pressed == 0 ? "step 2" : pressed == 1 ? "press Ctrl-C again" : nullptr;
        if (next == nullptr || text.find(next) == std::string::npos) return;
        ++pressed;
        EXPECT_EQ(::write(terminal, "\003", 1), 1);
      });
  ASSERT_EQ(pressed, 2) << shown.text;
  // Ctrl-C shows ^C on the progress line, which the message replaces.
  EXPECT_THAT(shown.text, HasSubstr("^C"));
  EXPECT_THAT(kept(shown.text), Not(HasSubstr("^C\nebb")));
  const std::string text = std::regex_replace(kept(shown.text), std::regex("\\s+"), " ");
  EXPECT_THAT(
      text, HasSubstr(" ebb: stopping after this step and saving a checkpoint; press Ctrl-C again to end at "
                      "once without it "));
  const bool saved = text.find("checkpoint saved") != std::string::npos;
  if (shown.exit_code == 75) {
    EXPECT_TRUE(saved) << text;
    EXPECT_THAT(text, Not(HasSubstr("ended at once on request")));
    return;
  }
  EXPECT_EQ(shown.exit_code, 5) << text;
  EXPECT_THAT(
      text, HasSubstr(" ebb: ending all ranks at once; only a checkpoint that is already complete is kept "));
  EXPECT_THAT(text, HasSubstr(" ebb: ended at once on request: run it again to go on from the last complete "
                              "checkpoint, or from the beginning if there is none"));
  // A loss of steps or a checkpoint that is there: each would be wrong in one of the two cases.
  for (const char* wrong : {"are lost", "the last checkpoint is kept", "hit ctrl-c again"})
    EXPECT_THAT(text, Not(HasSubstr(wrong)));
  const bool has_checkpoint = std::filesystem::exists(tiny.run_folder("twice") + "/checkpoints");
  EXPECT_TRUE(!saved || has_checkpoint);
}

}  // namespace
}  // namespace ebb::test

// SPDX-License-Identifier: Apache-2.0
#include "base/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <sstream>

namespace ebb {
namespace {

// Sets a variable of this process, and restores it.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    if (value != nullptr)
      ::setenv(name, value, 1);
    else
      ::unsetenv(name);
  }
  ~Variable() {
    if (before_)
      ::setenv(name_, before_->c_str(), 1);
    else
      ::unsetenv(name_);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

// A pseudo-terminal of this width; 0: one that does not tell.
class Terminal {
 public:
  explicit Terminal(int columns) : main_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    ::grantpt(main_);
    ::unlockpt(main_);
    fd_ = ::open(::ptsname(main_), O_RDWR | O_NOCTTY);
    winsize size{};
    size.ws_col = static_cast<unsigned short>(columns);
    ::ioctl(main_, TIOCSWINSZ, &size);
  }
  ~Terminal() {
    ::close(fd_);
    ::close(main_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int main_, fd_ = -1;
};

TEST(Columns, AreThoseOfTheTerminalAndAtMostTheVariable) {
  const Terminal wide(120), silent(0);
  ASSERT_GE(wide.fd(), 0);
  {
    const Variable none("COLUMNS", nullptr);
    EXPECT_EQ(columns_of(wide.fd()), 120);
    EXPECT_EQ(columns_of(silent.fd()), 80);
    EXPECT_EQ(columns_of(-1), 80);
    EXPECT_EQ(columns_of(Terminal(3).fd()), 20) << "too narrow for any text";
  }
  for (const auto& [value, of_terminal, of_none] :
       {std::tuple{"60", 60, 60}, {"200", 120, 200}, {"1", 20, 20}, {"-4", 120, 80}, {"wide", 120, 80}}) {
    const Variable columns("COLUMNS", value);
    EXPECT_EQ(columns_of(wide.fd()), of_terminal) << value;
    EXPECT_EQ(columns_of(silent.fd()), of_none) << value;
    EXPECT_EQ(columns_of(-1), of_none) << value;
  }
}

TEST(Screens, OnlyATerminalThatIsNotDumbHasEscapes) {
  const Terminal terminal(80);
  EXPECT_EQ(screen_of(-1), Screen::none);
  {
    const Variable term("TERM", "xterm-256color");
    EXPECT_EQ(screen_of(terminal.fd()), Screen::full);
  }
  const Variable dumb("TERM", "dumb");
  EXPECT_EQ(screen_of(terminal.fd()), Screen::plain);
}

TEST(DisplayWidth, CountsCharactersNotBytes) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("a \u00e4 \u2026 \U0001f30a"), 7U);
  EXPECT_EQ(display_width("\xff\xfe"), 2U);
}

TEST(Wrap, BreaksAtSpacesAndIndentsTheRest) {
  EXPECT_EQ(wrap("one two three four", 9), "one two\n  three\n  four");
  EXPECT_EQ(wrap("  one two three\nfour\n", 10, 0), "  one two\n  three\nfour\n");
  EXPECT_EQ(wrap("exactly ten", 11), "exactly ten");
  EXPECT_EQ(wrap("\u00e4\u00e4\u00e4 \u00e4\u00e4\u00e4", 7), "\u00e4\u00e4\u00e4 \u00e4\u00e4\u00e4");
  EXPECT_EQ(wrap("\n\n", 5), "\n\n");
  EXPECT_EQ(wrap("", 5), "");
  EXPECT_EQ(wrap("seventh    ", 7), "seventh    ") << "there is nothing to break";
}

TEST(Wrap, KeepsLongWordsAndPartsOfCommandsWhole) {
  EXPECT_EQ(wrap("in /a/very/long/path it is", 12), "in\n  /a/very/long/path\n  it is");
  EXPECT_EQ(wrap("a command that goes on \\", 10), "a command that goes on \\");
}

// Any text keeps its words in their order, and no line that could be broken is too long.
TEST(Wrap, LosesNoWord) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::string(static_cast<std::size_t>(1 + i * 7 % 13), 'a') + " ";
  text.pop_back();
  for (int columns = 1; columns < 100; ++columns) {
    std::istringstream before(text), after(wrap(text, columns));
    for (std::string word, same; before >> word;) {
      ASSERT_TRUE(after >> same);
      ASSERT_EQ(word, same);
    }
    std::istringstream lines(wrap(text, columns));
    for (std::string line; std::getline(lines, line);)
      EXPECT_TRUE(line.size() <= static_cast<std::size_t>(columns) ||
                  line.find(' ', line.find_first_not_of(' ')) == std::string::npos)
          << columns << ": " << line;
  }
}

TEST(WrapAfter, GoesOnBelowTheFirstWord) {
  EXPECT_EQ(wrap_after("ok    cpu  ", "two cores and more", 22), "ok    cpu  two cores\n           and more");
  EXPECT_EQ(wrap_after("a very long name  ", "two words", 20), "a very long name  two\n          words");
  EXPECT_EQ(wrap_after("x ", "", 20), "x ");
}

TEST(WrapCommand, CanBeCopied) {
  EXPECT_EQ(wrap_command("  ebb plan a", 20), "  ebb plan a");
  EXPECT_EQ(wrap_command("  ebb sample 'a b' --count 3", 16),
            "  ebb sample \\\n      'a b' \\\n      --count 3");
  // A shell sees the same words.
  const std::string command = R"(printf '%s|' one 'two  words' "a \" quote" it\'s\ one 'it'\''s' --last=7)";
  for (int columns = 10; columns < 80; ++columns) {
    std::string words;
    std::FILE* const shell = ::popen(wrap_command(command, columns).c_str(), "r");
    ASSERT_NE(shell, nullptr);
    for (int c = std::fgetc(shell); c != EOF; c = std::fgetc(shell)) words += static_cast<char>(c);
    ::pclose(shell);
    EXPECT_EQ(words, R"(one|two  words|a " quote|it's one|it's|--last=7|)") << columns;
  }
}

}  // namespace
}  // namespace ebb

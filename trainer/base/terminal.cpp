// SPDX-License-Identifier: Apache-2.0
#include "base/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/utf8.h"

namespace ebb {
namespace {

constexpr int kNarrowest = 20, kUsual = 80, kWidest = 10'000;

bool has_escapes() {
  const char* const name = std::getenv("TERM");
  return name == nullptr || std::strcmp(name, "dumb") != 0;
}

// The terminal that standard output appears on, opened if it is that of mpirun; -1: there is none.
class OutputTerminal {
 public:
  OutputTerminal() {
    if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) {
      fd_ = STDOUT_FILENO;
    } else {
      const std::string path = "/proc/" + std::to_string(::getppid()) + "/fd/1";
      struct stat status{};
      // Only a device is opened: the open of a pipe would make this process a writer of it.
      if (::stat(path.c_str(), &status) != 0 || !S_ISCHR(status.st_mode)) return;
      opened_ = fd_ = ::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    }
    if (fd_ >= 0 && ::isatty(fd_) == 0) fd_ = -1;
  }
  ~OutputTerminal() {
    if (opened_ >= 0) ::close(opened_);
  }
  OutputTerminal(const OutputTerminal&) = delete;
  OutputTerminal& operator=(const OutputTerminal&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1, opened_ = -1;
};

// The words of a command line: it is broken at spaces outside of quotes.
std::vector<std::string_view> words_of_command(std::string_view text) {
  std::vector<std::string_view> words;
  char quote = 0;
  std::size_t begin = std::string_view::npos;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    if (i == text.size() || (c == ' ' && quote == 0)) {
      if (begin != std::string_view::npos) words.push_back(text.substr(begin, i - begin));
      begin = std::string_view::npos;
      continue;
    }
    if (begin == std::string_view::npos) begin = i;
    if (c == '\\' && quote != '\'') {
      ++i;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
  }
  return words;
}

std::string_view indentation_of(std::string_view line) {
  return line.substr(0, std::min(line.find_first_not_of(' '), line.size()));
}

bool is_wider(std::string_view text, int columns) {
  // A character has at most four bytes, so that the rest of a long text need not be read.
  return display_width(text.substr(0, 4 * static_cast<std::size_t>(columns) + 4)) >
         static_cast<std::size_t>(columns);
}

// The bytes of the longest beginning that fits `columns` and ends before a space, after `from` at least; if
// none fits, the shortest that ends before a space.
std::size_t break_of(std::string_view line, int columns, std::size_t from) {
  std::size_t best = std::string_view::npos;
  for (std::size_t at = line.find(' ', from); at != std::string_view::npos; at = line.find(' ', at + 1)) {
    if (line.find_first_not_of(' ', at) == std::string_view::npos) break;
    if (best != std::string_view::npos && is_wider(line.substr(0, at), columns)) break;
    best = at;
  }
  return best;
}

// Breaks a line where it is too long, but not within its first `from` bytes. `indent` begins the lines after
// the first.
std::string wrapped(std::string line, std::size_t from, const std::string& indent, int columns) {
  std::string out;
  while (is_wider(line, columns)) {
    const std::size_t at = break_of(line, columns, from);
    if (at == std::string::npos) break;
    out += line.substr(0, line.find_last_not_of(' ', at) + 1) + "\n";
    line = indent + line.substr(line.find_first_not_of(' ', at));
    from = indent.size();
  }
  return out + line;
}

}  // namespace

Screen screen_of(int fd) {
  if (fd < 0 || ::isatty(fd) == 0) return Screen::none;
  return has_escapes() ? Screen::full : Screen::plain;
}

Screen output_screen() {
  return screen_of(OutputTerminal().fd());
}

int output_columns() {
  return columns_of(OutputTerminal().fd());
}

int columns_of(int fd) {
  winsize size{};
  const bool told = fd >= 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const char* const variable = std::getenv("COLUMNS");
  int wanted = 0;
  if (variable != nullptr) std::from_chars(variable, variable + std::strlen(variable), wanted);
  const int given = wanted > 0 ? wanted : told ? kWidest : kUsual;
  return std::clamp(told ? std::min<int>(size.ws_col, given) : given, kNarrowest, kWidest);
}

std::size_t display_width(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) text.remove_prefix(std::max<std::size_t>(1, first_character(text).length));
  return count;
}

std::string wrap(std::string_view text, int columns, std::size_t hanging) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::string indent(indentation_of(line));
    out += line.ends_with('\\')
               ? std::string(line)
               : wrapped(std::string(line), indent.size(), indent + std::string(hanging, ' '), columns);
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string wrap_after(std::string_view lead, std::string_view text, int columns) {
  // Where the lead leaves no room, the text goes on further left.
  const std::size_t room = static_cast<std::size_t>(columns) / 2;
  const std::string indent(std::min(display_width(lead), room), ' ');
  return wrapped(std::string(lead) + std::string(text), lead.size(), indent, columns);
}

std::string wrap_command(std::string_view command, int columns) {
  if (!is_wider(command, columns)) return std::string(command);
  const std::string indent(indentation_of(command));
  const std::vector<std::string_view> words = words_of_command(command);
  std::string out, line = indent;
  for (std::size_t i = 0; i < words.size(); ++i) {
    // The space before the word, and the backslash after it if other words follow.
    const std::size_t more = i + 1 < words.size() ? 3 : 1;
    const std::size_t needed = display_width(line) + display_width(words[i]) + more;
    if (i > 0 && needed > static_cast<std::size_t>(columns)) {
      out += line + " \\\n";
      line = indent + "    " + std::string(words[i]);
    } else {
      line += (i > 0 ? " " : "") + std::string(words[i]);
    }
  }
  return out + line;
}

}  // namespace ebb

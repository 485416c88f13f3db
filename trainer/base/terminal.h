// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace ebb {

// What an output appears on: no terminal, one without escape sequences (TERM=dumb), or one that has them.
enum class Screen { none, plain, full };

Screen screen_of(int fd);

// Of the standard output. mpirun gives every rank a pseudo-terminal, even if mpirun's own output goes to a
// file. Under mpirun these functions therefore look at the standard output of the parent process, which is
// mpirun. On hosts other than mpirun's there is no terminal.
Screen output_screen();
// The width of the terminal in columns, or $COLUMNS if that is less or there is no terminal; 80 where neither
// is known. At least 20.
int output_columns();
// The same of any output of a process that mpirun did not start.
int columns_of(int fd);

// The number of characters; a byte that is no part of one counts as one.
std::size_t display_width(std::string_view text);

// Breaks lines at spaces where they are longer than `columns`. A line goes on with its own indentation and
// `hanging` more spaces. A word that is too long stays whole, and so does a line that ends with a backslash.
std::string wrap(std::string_view text, int columns, std::size_t hanging = 2);

// The text as one line after `lead`, which goes on below its first word. Without a newline at the end.
std::string wrap_after(std::string_view lead, std::string_view text, int columns);

// A command line of a shell, broken before words with a backslash at the end of a line, so that it can be
// copied. It goes on with its own indentation and four more spaces.
std::string wrap_command(std::string_view command, int columns);

}  // namespace ebb

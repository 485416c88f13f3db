// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"

namespace ebb::memory {

// Writes one object of Python to a file, as pickle protocol 2
// (https://peps.python.org/pep-0307/, opcodes in Lib/pickletools.py). Nothing of it stays in memory except
// its texts and a block of output, so that it can be written when memory is short. The calls must form one
// object: a dict is a sequence of a text and a value for each entry. As Python does, a list is written in
// batches of 1,000 items: the viewer passes a batch as arguments of a function, whose number is limited.
class PickleWriter {
 public:
  explicit PickleWriter(AtomicFile& file);
  void begin_dict();
  void end_dict();
  void begin_list();
  void end_list();
  void next_item();                   // before each item of a list
  void text(std::string_view value);  // ASCII or UTF-8; written once, then referred to
  void integer(std::int64_t value);
  void boolean(bool value);
  void pair(std::int64_t first, std::int64_t second);  // a tuple
  // Remembers the object that has just been written. recall() writes it again.
  std::uint32_t remember();
  void recall(std::uint32_t remembered);
  void finish();  // the end of the object; writes what is left. The caller commits the file.

 private:
  void put(std::string_view bytes);
  void put_number(std::uint64_t value, int bytes);  // little-endian
  AtomicFile& file_;
  std::string block_;
  std::map<std::string, std::uint32_t, std::less<>> texts_;
  std::uint32_t remembered_ = 0;
  std::vector<int> items_;  // of each open list, since its batch began
};

}  // namespace ebb::memory

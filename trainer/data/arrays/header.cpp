// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "base/error.h"
#include "base/lfs_pointer.h"
#include "base/printable.h"
#include "data/arrays/npy_literal.h"

namespace ebb::data {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";

[[noreturn]] void refuse_npy(const std::string& where, const std::string& what) {
  throw Error(ExitCode::data, fmt::format("{}: {}", where, what));
}

std::uint32_t little_endian(std::span<const std::byte> bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * i);
  return value;
}

// "<i8": the order of bytes, the kind, the bytes of an item.
void set_type(ArrayHeader& header, const std::string& descr, const std::string& where) {
  std::string_view rest = descr;
  const char order = rest.empty() ? '\0' : rest.front();
  if (order == '<' || order == '>' || order == '|' || order == '=') rest.remove_prefix(1);
  header.big_endian = order == '>';
  header.kind = rest.empty() ? '\0' : rest.front();
  if (header.kind == 'O')
    refuse_npy(
        where,
        "it holds Python objects (dtype object), which only pickle reads, and a pickle may run any program: "
        "save an array of numbers, whose rows all have one shape");
  if (!rest.empty()) rest.remove_prefix(1);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), header.item_bytes);
  const bool whole = error == std::errc() && end == rest.data() + rest.size();
  const bool known = std::string_view("buifcSUVMm").find(header.kind) != std::string_view::npos;
  if (header.kind == '\0' || !known || (!whole && header.kind != 'M' && header.kind != 'm'))
    refuse_npy(where, fmt::format("its header has the dtype '{}', which is none of NumPy", printable(descr)));
  const std::int64_t n = header.item_bytes;
  const bool width = header.kind == 'b'    ? n == 1
                     : header.is_integer() ? n == 1 || n == 2 || n == 4 || n == 8
                     : header.kind == 'f'  ? n == 2 || n == 4 || n == 8 || n == 12 || n == 16
                     : header.kind == 'U'  ? n >= 0 && n <= (1 << 28)
                                           : n >= 0 && n <= (1 << 30);
  if (!width)
    refuse_npy(where, fmt::format("its header has the dtype '{}', which is none of NumPy", printable(descr)));
  if (header.kind == 'U') header.item_bytes *= 4;  // characters
}

}  // namespace

bool array_bytes(const std::vector<std::int64_t>& shape, std::int64_t item_bytes, std::int64_t& bytes) {
  // A dimension of 0 must not hide others that overflow.
  std::int64_t extent = std::max<std::int64_t>(item_bytes, 1);
  bool overflow = false;
  bytes = item_bytes;
  for (const std::int64_t n : shape) {
    overflow |= __builtin_mul_overflow(extent, std::max<std::int64_t>(n, 1), &extent);
    overflow |= __builtin_mul_overflow(bytes, n, &bytes);
  }
  return !overflow;
}

std::string ArrayHeader::type() const {
  switch (kind) {
    case 'b':
      return "bool";
    case 'u':
      return fmt::format("uint{}", 8 * item_bytes);
    case 'i':
      return fmt::format("int{}", 8 * item_bytes);
    case 'f':
      return fmt::format("float{}", 8 * item_bytes);
    case 'c':
      return fmt::format("complex{}", 8 * item_bytes);
    case 'U':
    case 'S':
      return "text";
    case 'M':
    case 'm':
      return "time";
    default:
      return fmt::format("{}{}", kind, item_bytes);
  }
}

std::string ArrayHeader::extents() const {
  return shape.size() == 1 ? fmt::format("({},)", shape[0]) : fmt::format("({})", fmt::join(shape, ", "));
}

std::int64_t ArrayHeader::bytes() const {
  std::int64_t all = 0;
  (void)array_bytes(shape, item_bytes, all);
  return all;
}

ArrayHeader parse_npy_header(std::span<const std::byte> head, std::int64_t size, const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  refuse_lfs_pointer(where, text, ExitCode::data);
  if (!text.starts_with(kNpyMagic))
    refuse_npy(where, "it does not begin with \\x93NUMPY: it is no .npy file, or it is damaged");
  if (head.size() < 10) refuse_npy(where, fmt::format("it has {} bytes, too few for its header", size));
  const int major = std::to_integer<int>(head[6]), minor = std::to_integer<int>(head[7]);
  if (major < 1 || major > 3 || minor != 0)
    refuse_npy(where, fmt::format("its version is {}.{}; only 1.0, 2.0 and 3.0 are read", major, minor));
  const std::size_t length_bytes = major == 1 ? 2 : 4, begin = 8 + length_bytes;
  if (head.size() < begin) refuse_npy(where, fmt::format("it has {} bytes, too few for its header", size));
  const std::uint32_t length = little_endian(head.subspan(8, length_bytes));
  if (std::int64_t{length} > kNpyHead - 12 || length > head.size() - begin)
    refuse_npy(where,
               fmt::format("its header should have {} bytes, but the file has {}, and at most {} are read",
                           length, size, kNpyHead - 12));
  ArrayHeader header;
  try {
    const NpyLiteral literal = parse_npy_literal(text.substr(begin, length));
    if (literal.structured)
      refuse_npy(where,
                 "it holds records (a structured dtype): save each of its fields as an array of its own");
    set_type(header, literal.descr, where);
    header.column_major = literal.fortran_order;
    header.shape = literal.shape;
  } catch (const std::invalid_argument& fault) {
    refuse_npy(where, fmt::format("its header is not the dictionary that NumPy writes: {}", fault.what()));
  }
  header.begin = static_cast<std::int64_t>(begin + length);
  std::int64_t bytes = 0;
  if (!array_bytes(header.shape, header.item_bytes, bytes))
    refuse_npy(where, fmt::format("its shape {} is larger than any memory", header.extents()));
  if (bytes != size - header.begin)
    refuse_npy(where,
               fmt::format("its values of shape {} and type {} take {} bytes, but {} follow its header: it "
                           "is truncated or damaged",
                           header.extents(), header.type(), bytes, size - header.begin));
  return header;
}

}  // namespace ebb::data

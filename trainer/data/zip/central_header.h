// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace ebb::data::zip {

// Why an entry is refused, for a person.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The lengths of what follows the fixed bytes of an entry in the directory.
struct CentralSizes {
  std::int64_t name = 0, extra = 0, comment = 0;
};
CentralSizes central_sizes(std::span<const std::byte> fixed);

struct CentralHeader {
  std::uint16_t method = 0;
  std::uint32_t crc = 0;
  std::int64_t packed = 0, unpacked = 0, offset = 0;
};

// Parses an entry of the directory, with the sizes of zip64. Fault for one that is encrypted, has another
// method than stored or deflated, lies in another part, or has sizes that `archive` bytes cannot hold.
CentralHeader parse_central(std::span<const std::byte> entry, const CentralSizes& sizes,
                            std::int64_t archive);

// What is wrong with the name of an entry; empty: nothing.
std::string name_fault(std::string_view name);

}  // namespace ebb::data::zip

#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace ebb::data {

// The bytes that one value of an MDS encoding takes, or nothing where that varies. Error(data), naming
// `where` and the column, for an encoding that is not known and for pickle.
std::optional<std::int64_t> fixed_bytes(const std::string& column, const std::string& encoding,
                                        const std::string& where);

}  // namespace ebb::data

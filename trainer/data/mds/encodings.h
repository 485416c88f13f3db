// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace ebb::data {

// Whether fixed_bytes() knows the encoding. Pickle is not among them: it can run any program when it is read.
bool is_known_encoding(const std::string& encoding);
// Bytes of one value of an MDS encoding; empty if the length varies. Error(data), with `where` and the
// column, for an unknown encoding and for pickle.
std::optional<std::int64_t> fixed_bytes(const std::string& column, const std::string& encoding,
                                        const std::string& where);

}  // namespace ebb::data

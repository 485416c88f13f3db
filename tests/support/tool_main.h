// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <exception>
#include <functional>

#include "base/error.h"

namespace ebb::test {

// The main function of a program that a test compares with a reference. Prints an error, and returns the code
// of an ebb::Error, or 1 for other exceptions.
inline int run_tool(const std::function<int()>& body) {
  try {
    return body();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace ebb::test

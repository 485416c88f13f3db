// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace ebb::test {

// The versions of Open MPI whose mpirun wrote the standard error in tests/launch/recorded.
inline constexpr std::array<const char*, 2> kOpenMpiVersions = {"4.1.4", "5.0.7"};

// Two ranks on one host, without a network, but for the last:
//   stop     both exit with 75             exit   rank 1 exits with 6
//   abort    rank 1 calls MPI_Abort        kill   rank 1 is killed
//   slots    99 ranks for fewer slots      missing  there is no such program
//   refused  the remote shell ends with 1  lost   (5.0.7 only) the daemon of a host is killed
inline std::string recorded(const std::string& version, const std::string& name) {
  const char* source = std::getenv("EBB_SOURCE_DIR");  // as ctest sets it
  EXPECT_NE(source, nullptr) << "EBB_SOURCE_DIR is not set";
  if (source == nullptr) return {};
  const std::string path = std::string(source) + "/tests/launch/recorded/" + version + "-" + name + ".txt";
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace ebb::test

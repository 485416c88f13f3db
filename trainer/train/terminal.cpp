// SPDX-License-Identifier: Apache-2.0
#include "train/terminal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace ebb::train {

bool standard_output_is_terminal() {
  if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return isatty(STDOUT_FILENO) != 0;
  const std::string path = "/proc/" + std::to_string(getppid()) + "/fd/1";
  struct stat status{};
  // Only a device is opened: the open of a pipe would make this process a writer of it.
  if (stat(path.c_str(), &status) != 0 || !S_ISCHR(status.st_mode)) return false;
  const int fd = open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  const bool terminal = fd >= 0 && isatty(fd) != 0;
  if (fd >= 0) close(fd);
  return terminal;
}

}  // namespace ebb::train

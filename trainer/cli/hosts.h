#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace ebb::cli {

// The hosts of an Open MPI host file, in its order, each once. Error(usage) where it cannot be read or names
// none.
std::vector<std::string> read_hostfile(const std::filesystem::path& path);

// Waits until every host answers on this TCP port (ssh's), trying again and again, for at most so many
// seconds. `say` is told now and then which are still missing. Error(communication) names those that have not
// answered, each with its reason.
void wait_for_hosts(const std::vector<std::string>& hosts, int port, double seconds,
                    const std::function<void(const std::string&)>& say);

}  // namespace ebb::cli

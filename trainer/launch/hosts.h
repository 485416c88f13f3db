#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace ebb::launch {

// The hosts of an Open MPI host file, in its order, each once. Error(usage) where it cannot be read or names
// none.
std::vector<std::string> read_hostfile(const std::filesystem::path& path);

// Waits until every host answers on this TCP port (ssh's), trying again and again, for at most so many
// seconds. `say` is told now and then which are still missing. Error(communication) names those that have not
// answered, each with its reason, and for a pod of Kubernetes what to type. `stop_within` waits for so many
// seconds; true ends all with Error(stopped).
void wait_for_hosts(const std::vector<std::string>& hosts, int port, double seconds,
                    const std::function<void(const std::string&)>& say,
                    const std::function<bool(double)>& stop_within);

// For a host that is the name of a pod in a service (POD.SERVICE.NAMESPACE.svc): the lines to type that show
// why it does not answer and have it made again. Empty for any other.
std::string pod_advice(const std::string& host);

}  // namespace ebb::launch

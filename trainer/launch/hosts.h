// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace ebb::launch {

// Reads the hosts of an Open MPI host file, in the order of the file, each once. Error(usage) if the file
// cannot be read or names no host, and for lines that mpirun refuses without a reason or crashes at: the line
// ends of Windows, host:N, slots=N below 1 or given twice for a host, or a name with a host_problem().
std::vector<std::string> read_hostfile(const std::filesystem::path& path);

// Returns why mpirun does not take a name of a host: control characters, bytes that are no UTF-8, or more
// than 56 bytes before its first dot. Empty if it does.
std::string host_problem(const std::string& host);

// Waits until every host accepts connections on a TCP port (ssh's), for at most `seconds`. `say` receives a
// list of the missing hosts every 15 s. Error(communication) names each host that did not answer, with the
// reason; for a Kubernetes pod it adds the commands to type. `stop_within` waits for a number of seconds; if
// it returns true, the wait ends with Error(stopped).
void wait_for_hosts(const std::vector<std::string>& hosts, int port, double seconds,
                    const std::function<void(const std::string&)>& say,
                    const std::function<bool(double)>& stop_within);

// Returns the commands that show why a pod does not answer, and that recreate it. `host` is its name in a
// service (POD.SERVICE.NAMESPACE.svc); empty for any other host.
std::string pod_advice(const std::string& host);

}  // namespace ebb::launch

// SPDX-License-Identifier: Apache-2.0
#include "faults/network_faults.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace ebb::test {
namespace {

namespace fs = std::filesystem;

std::string why_no_hosts() {
  if (::geteuid() == 0 && run_shell("unshare --net ip link add hosts type bridge").exit_code == 0) return "";
  return "only root can make hosts with networks of their own";
}

constexpr const char* kTable =
    "nft add table inet faults && nft add chain inet faults input '{ type filter hook input priority 0; }' "
    "&& "
    "nft add rule inet faults input meta l4proto tcp ";
constexpr const char* kLoss = "numgen random mod 100 '<' 20 drop";
constexpr const char* kReset = "reject with tcp reset";

std::string why_no_filter() {
  const auto works = [](const char* rule) {
    return run({"unshare", "--net", "sh", "-c", std::string(kTable) + rule}).exit_code == 0;
  };
  if (const std::string why = why_no_hosts(); !why.empty()) return why;
  return works(kLoss) && works(kReset) ? ""
                                       : "nft of this system or its kernel cannot drop and reject packets";
}

// Every start of the round is on two hosts from now on.
class TwoHosts {
 public:
  explicit TwoHosts(FaultRound& round) : folder_(round.path("hosts")) {
    fs::create_directories(folder_);
    const std::string hosts = folder_ + "/hosts";
    std::ofstream(hosts) << "host-0 slots=1\nhost-1 slots=1\n";
    round.before = {source_dir() + "/tests/launch/two_hosts", folder_};
    round.launch_options = {"--hostfile", hosts, "--forward", "OMP_NUM_THREADS"};
    // Of version 4 and 5 of Open MPI.
    for (const char* agent : {"OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"})
      round.options.environment[agent] = folder_ + "/remote-shell";
    // These variables would give all hosts one session folder.
    round.options.unset = {"OMPI_MCA_orte_tmpdir_base", "PRTE_MCA_prte_tmpdir_base"};
    round.options.environment["TMPDIR"] = folder_;
    round.at_end([folder = folder_] { end(folder); });
    host_ = round.pick({0, 1});
    round.note(fmt::format("host-{}", host_));
  }
  // The port of the host at the switch, which is in the network of the launcher.
  void link(const Process& launched, const char* state) const {
    in_network(launched.pid(), fmt::format("ip link set port{} {}", host_, state));
  }
  void filter(const char* rule) const { in_network(process(folder_, host_), std::string(kTable) + rule); }
  void end_filter() const { in_network(process(folder_, host_), "nft delete table inet faults"); }
  // Ends the two hosts.
  void end() const { end(folder_); }

 private:
  static pid_t process(const std::string& folder, int host) {
    pid_t pid = 0;
    std::ifstream(fmt::format("{}/host-{}", folder, host)) >> pid;
    return pid;
  }
  static void end(const std::string& folder) {
    for (const int host : {0, 1})
      if (const pid_t pid = process(folder, host); pid > 0) ::kill(pid, SIGKILL);
  }
  static void in_network(pid_t pid, const std::string& line) {
    const ProcessResult result = run({"nsenter", "--target", std::to_string(pid), "--net", "sh", "-c", line});
    // The network of a run that has ended is gone.
    if (result.exit_code != 0 && is_alive(pid)) throw std::runtime_error(line + ": " + result.err);
  }
  std::string folder_;
  int host_ = 0;
};

// For less than parallel.timeout.
FaultEnd short_break(FaultRound& round) {
  const TwoHosts hosts(round);
  const auto launched = round.start_to_moment();
  const bool met = both_ranks_live(*launched);
  hosts.link(*launched, "down");
  round.sleep_randomly("down for", 0.05, 2);
  hosts.link(*launched, "up");
  const ProcessResult result = launched->wait();
  hosts.end();
  return {result, met, {0}};
}

FaultEnd long_break(FaultRound& round) {
  const TwoHosts hosts(round);
  const auto launched = round.start_to_moment({"parallel.timeout=5s"});
  hosts.link(*launched, "down");
  if (round.pick({0, 1, 2, 3}) == 0) {
    round.note("down for ever");
  } else {
    round.sleep_randomly("down for", 6, 10);
    hosts.link(*launched, "up");
  }
  const ProcessResult result = launched->wait();
  hosts.end();
  return {result, result.exit_code == 5, {0, 5}, "limit of 5 s|lost a host|connection to host"};
}

FaultEnd lost_packets(FaultRound& round) {
  const TwoHosts hosts(round);
  const auto launched = round.start_to_moment();
  const bool met = both_ranks_live(*launched);
  hosts.filter(kLoss);
  round.sleep_randomly("a fifth of the packets lost for", 0.2, 2);
  hosts.end_filter();
  const ProcessResult result = launched->wait();
  hosts.end();
  return {result, met, {0}};
}

// Open MPI does not always notice it. Then the time limit ends the run.
FaultEnd reset_connections(FaultRound& round) {
  const TwoHosts hosts(round);
  const auto launched = round.start_to_moment({"parallel.timeout=5s"});
  hosts.filter(kReset);
  round.sleep_randomly("connections reset for", 0.1, 0.5);
  hosts.end_filter();
  const ProcessResult result = launched->wait();
  hosts.end();
  return {result, result.exit_code == 5, {0, 5}, "rank |connection to host"};
}

}  // namespace

std::vector<FaultKind> network_faults() {
  const std::string no_hosts = why_no_hosts(), no_filter = why_no_filter();
  return {{"link down for less than the timeout", no_hosts, short_break},
          {"link down for more than the timeout", no_hosts, long_break},
          {"lost packets", no_filter, lost_packets},
          {"reset connections", no_filter, reset_connections}};
}

}  // namespace ebb::test

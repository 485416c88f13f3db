// SPDX-License-Identifier: Apache-2.0
#include "launch/error_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ebb::launch {
namespace {

constexpr std::size_t kLongestLine = 65536;

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_number(std::string_view& text, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// Parses "rank 1 of 2 on HOST: MESSAGE"; other text is the message as a whole.
void parse_rank_error(std::string_view text, ErrorReport& error) {
  std::string_view rest = text;
  int rank = 0, ranks = 0;
  if (take(rest, "rank ") && take_number(rest, rank) && take(rest, " of ") && take_number(rest, ranks) &&
      take(rest, " on ")) {
    const std::size_t end = rest.find(": ");
    if (end != std::string_view::npos) {
      error.rank = rank;
      error.host = rest.substr(0, end);
      text = rest.substr(end + 2);
    }
  }
  error.text = text;
  error.rank_reported = true;
}

// Parses "  Remote daemon: [[1644,0],1] on node HOST", from mpirun's paragraph on a lost connection.
void parse_lost_daemon(std::string_view text, ErrorReport& error) {
  constexpr std::string_view kOn = " on node ";
  const std::size_t begin = text.find_first_not_of(' ');
  const std::size_t at = text.find(kOn);
  if (begin == std::string_view::npos || at == std::string_view::npos ||
      !text.substr(begin).starts_with("Remote daemon:"))
    return;
  const std::string_view host = text.substr(at + kOn.size());
  error.loss = fmt::format("the connection to host {} was lost: it, its pod or its sshd has ended", host);
  if (error.rank_reported || !error.text.empty()) return;
  error.host = host;
  error.text = error.loss;
}

constexpr std::string_view kNoticed = " noticed that process rank ";

// Version 5 of Open MPI calls its mpirun "prterun".
bool begins_notice(std::string_view text) {
  return (take(text, "mpirun") || take(text, "prterun")) && text.starts_with(kNoticed);
}

// Parses "mpirun noticed that process rank 1 with PID 7 on node HOST exited on signal 9 (Killed)."
void parse_mpirun_notice(std::string_view text, ErrorReport& error) {
  if (!begins_notice(text)) return;
  std::string_view rest = text.substr(text.find(' '));
  int rank = 0, pid = 0;
  if (!take(rest, kNoticed) || !take_number(rest, rank) || !take(rest, " with PID ") ||
      !take_number(rest, pid) || !take(rest, " on node "))
    return;
  error.rank = rank;
  error.host = rest.substr(0, rest.find(' '));
  error.text = text;
}

// Parses "with errorcode 6.", or "  Errorcode: 6" of version 5, from mpirun's paragraph on MPI_Abort.
int parse_abort_code(std::string_view text) {
  int code = 0;
  if ((take(text, "with errorcode ") || take(text, "  Errorcode: ")) && take_number(text, code)) return code;
  return 0;
}

// Why mpirun refuses to start, in words; empty if the line is no such reason.
std::string parse_refusal(std::string_view text) {
  constexpr std::string_view kSelected = " cannot be selected", kAgent = "plm_rsh_agent:";
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return "";
  if (text.starts_with('[') && text.ends_with(kSelected)) {
    const std::string_view component = text.substr(std::min(text.find("] "), text.size() - 2) + 2);
    return fmt::format("{}: this Open MPI lacks it, and a variable OMPI_MCA_* asks for it", component);
  }
  if (text.find("session_dir failed") != std::string_view::npos)
    return "mpirun cannot create its session folder in TMPDIR or /tmp";
  if (text.find("requested component was not found") != std::string_view::npos)
    return "this Open MPI lacks a component, and a variable OMPI_MCA_* asks for it";
  if (text.find("unable to find network interfaces") != std::string_view::npos)
    return "this host has no network interface that is up, not even lo";
  if (text.find("illegal character in the following node name") != std::string_view::npos)
    return "a host has a name with a character that mpirun does not take: it takes letters, digits, dots and "
           "hyphens";
  if (text.find("SLURM process starter for OpenMPI was unable to locate") != std::string_view::npos)
    return "mpirun does not find Slurm's srun on PATH";
  if (text.substr(begin).starts_with(kAgent)) return "mpirun finds neither ssh nor rsh on PATH";
  return "";
}

// Parses "[HOST:7] [[1644,0],0] ORTE_ERROR_LOG: Out of resource in file ../x.c at line 507"; version 5 writes
// "PRTE ERROR: " or "PMIX ERROR: ".
std::string parse_internal_error(std::string_view text) {
  for (const std::string_view mark : {"] ORTE_ERROR_LOG: ", "] PRTE ERROR: ", "] PMIX ERROR: "}) {
    const std::size_t at = text.find(mark);
    if (!text.starts_with('[') || at == std::string_view::npos) continue;
    const std::string_view reason = text.substr(at + mark.size());
    return fmt::format("mpirun had an internal error: {}", reason.substr(0, reason.find(" in file ")));
  }
  return "";
}

}  // namespace

void ErrorReportParser::feed(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    partial_line_ += text.substr(at, end == std::string_view::npos ? end : end - at);
    if (partial_line_.size() > kLongestLine) partial_line_.resize(kLongestLine);
    if (end == std::string_view::npos) return;
    while (!partial_line_.empty() && partial_line_.back() == '\r') partial_line_.pop_back();
    at = end + 1;
    // Version 5 breaks this line before "signal".
    if (begins_notice(partial_line_) && partial_line_.ends_with(" exited on")) {
      partial_line_ += ' ';
      continue;
    }
    line(partial_line_);
    partial_line_.clear();
  }
}

void ErrorReportParser::line(std::string_view line) {
  if (line.starts_with("MPI_ABORT was invoked on rank ")) {
    in_abort_paragraph_ = true;
  } else if (const int code = in_abort_paragraph_ ? parse_abort_code(line) : 0; code != 0) {
    if (found_.abort_code == 0) found_.abort_code = code;
    in_abort_paragraph_ = false;
  } else if (line.find("not enough slots available") != std::string_view::npos) {
    found_.start = ErrorReport::Start::no_slots;
    if (found_.text.empty()) found_.text = line;
  } else if (line.find("nodes which are allocated for this job are already filled") !=
             std::string_view::npos) {
    found_.start = ErrorReport::Start::no_slots;
    if (found_.text.empty()) found_.text = line;
  } else if (const std::string refusal = parse_refusal(line); !refusal.empty() && !found_.rank_reported) {
    found_.start = ErrorReport::Start::refused;
    if (found_.text.empty()) found_.text = refusal;
  } else if (line.find("unable to reliably start one or more daemons") != std::string_view::npos ||
             line.find("unable to launch the specified application") != std::string_view::npos) {
    found_.start = ErrorReport::Start::failed;
    if (found_.text.empty()) found_.text = line;
  } else if (line.find("lost communication with a remote daemon") != std::string_view::npos) {
    found_.host_lost = true;
  } else if (!found_.rank_reported && take(line, "ebb: ")) {
    parse_rank_error(line, found_);
  } else if (const std::string internal = parse_internal_error(line); !internal.empty()) {
    if (found_.internal.empty()) found_.internal = internal;
  } else {
    if (!found_.rank_reported) parse_mpirun_notice(line, found_);
    parse_lost_daemon(line, found_);
  }
}

}  // namespace ebb::launch

// SPDX-License-Identifier: Apache-2.0
// telemetry.port on the real program under a real mpirun: scraped over HTTP while it trains.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <thread>

#include "base/digest.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

// `host`: of 127.0.0.HOST, all of which are this machine.
sockaddr_in loopback(int port, std::uint32_t host = 1) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(0x7f000000 + host);
  return address;
}

// A socket that listens at a port of the system's choice.
class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 1) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      ADD_FAILURE() << "no port";
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { ::close(fd_); }
  [[nodiscard]] int port() const { return port_; }

 private:
  int fd_, port_ = 0;
};

int free_port() {
  return Listener().port();
}

// A connection to a server of this machine.
class Client {
 public:
  explicit Client(int port, std::uint32_t host = 1) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const sockaddr_in address = loopback(port, host);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  [[nodiscard]] bool connected() const { return connected_; }
  // What the server sends until it ends the connection.
  std::string read() {
    std::string answer;
    std::array<char, 4096> block{};
    for (ssize_t n = 0; connected_ && (n = ::read(fd_, block.data(), block.size())) > 0;)
      answer.append(block.data(), static_cast<std::size_t>(n));
    return answer;
  }
  std::string get(const std::string& path) {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    return ::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())
               ? read()
               : "";
  }

 private:
  int fd_;
  bool connected_ = false;
};

// The body of GET /metrics; empty while no server answers.
std::string scrape(int port, std::uint32_t host = 1) {
  const std::string answer = Client(port, host).get("/metrics");
  const std::size_t body = answer.find("\r\n\r\n");
  return answer.starts_with("HTTP/1.1 200") && body != std::string::npos ? answer.substr(body + 4) : "";
}

struct Scraped {
  std::map<std::string, double> samples;     // by name with its labels
  std::map<std::string, std::string> types;  // by name
};

// A line that is not of the format is a failure.
Scraped parse(const std::string& text) {
  const std::regex sample(R"re(([a-zA-Z_:][\w:]*(?:\{(?:\w+="[^"]*",?)*\})?) (\S+))re");
  Scraped scraped;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch parts;
    if (line.starts_with("# TYPE ")) {
      const std::size_t end = line.find(' ', 7);
      scraped.types[line.substr(7, end - 7)] = line.substr(end + 1);
    } else if (std::regex_match(line, parts, sample)) {
      EXPECT_TRUE(scraped.samples.emplace(parts[1], std::stod(parts[2])).second) << "twice: " << line;
    } else if (!line.empty() && line.front() != '#') {
      ADD_FAILURE() << "no sample: " << line;
    }
  }
  return scraped;
}

// The shared memory of this run's ranks, while it has a name.
std::string shared_file_of(const std::string& run_folder) {
  return "/dev/shm/ebb-" + std::to_string(::geteuid()) + "-" + digest_hex(run_folder);
}

class MetricsPort : public ::testing::Test {
 protected:
  static std::vector<std::string> forever(int port) {
    return {"run.steps=1000000", "checkpoint.every=20", "run.evaluate_every=20",
            "telemetry.progress_every=200ms", "telemetry.port=" + std::to_string(port)};
  }
  // Scrapes until the sample `name` is at least `least`.
  static std::string scrape_until(int port, const std::string& name, double least) {
    std::string text;
    for (int i = 0; i < 600; ++i) {
      text = scrape(port);
      const Scraped now = parse(text);
      const auto found = now.samples.find(name);
      if (found != now.samples.end() && found->second >= least) return text;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ADD_FAILURE() << name << " did not reach " << least << ":\n" << text;
    return text;
  }
  TinyRun tiny_;
};

TEST_F(MetricsPort, ServesTheNumbersOfBothRanksWhileTheyTrain) {
  const int port = free_port();
  Process run(tiny_.launch("served", forever(port)));
  ASSERT_TRUE(run.wait_for_output("step 20: test loss")) << run.out() << run.err();
  const std::string text = scrape_until(port, "ebb_steps_total", 25);
  const Scraped first = parse(text);
  std::string node;
  for (const auto& [name, value] : first.samples) {
    const std::size_t at = name.find("node=\"");
    if (at != std::string::npos) node = name.substr(at + 6, name.find('"', at + 6) - at - 6);
  }
  const auto value = [&](const std::string& name) {
    const auto found = first.samples.find(name);
    EXPECT_NE(found, first.samples.end()) << name << "\n" << text;
    return found == first.samples.end() ? -1 : found->second;
  };
  for (const int rank : {0, 1}) {
    const std::string labels = "rank=\"" + std::to_string(rank) + "\",local_rank=\"" + std::to_string(rank) +
                               "\",node=\"" + node + "\"}";
    EXPECT_EQ(value("ebb_rank_info{UUID=\"\"," + labels), 1);
    EXPECT_GT(value("ebb_memory_bytes{place=\"host\",class=\"parameters\"," + labels), 0);
    EXPECT_GT(value("ebb_memory_peak_bytes{place=\"host\",class=\"activations\"," + labels), 0);
    EXPECT_GT(value("ebb_memory_resident_bytes{" + labels), 10 << 20);
    EXPECT_GT(value("ebb_memory_outside_bytes{place=\"host\"," + labels), 0);
    EXPECT_EQ(value("ebb_memory_budget_bytes{place=\"host\"," + labels), 0);
    EXPECT_EQ(value("ebb_memory_leaks_total{" + labels), 0);
    for (const char* stage : {"load", "forward", "backward", "reduce", "update", "save", "evaluate"})
      EXPECT_GT(value(std::string("ebb_stage_seconds_total{stage=\"") + stage + "\"," + labels), 0) << stage;
    EXPECT_NEAR(value("ebb_last_step_timestamp_seconds{" + labels), static_cast<double>(std::time(nullptr)),
                30);
  }
  EXPECT_EQ(value("ebb_ranks"), 2);
  EXPECT_EQ(value("ebb_steps_target"), 1000000);
  EXPECT_EQ(value("ebb_samples_total"), 32 * value("ebb_steps_total"));
  EXPECT_GT(value("ebb_loss"), 0);
  EXPECT_GT(value("ebb_test_loss"), 0);
  EXPECT_EQ(value("ebb_loss_scale"), 1024);
  EXPECT_GT(value("ebb_checkpoint_bytes"), 10000);
  EXPECT_GT(value("ebb_checkpoint_seconds"), 0);
  EXPECT_NEAR(value("ebb_checkpoint_timestamp_seconds"), static_cast<double>(std::time(nullptr)), 30);
  EXPECT_EQ(first.types.at("ebb_steps_total"), "counter");
  EXPECT_EQ(first.types.at("ebb_memory_bytes"), "gauge");
  EXPECT_FALSE(std::filesystem::exists(shared_file_of(tiny_.run_folder("served"))))
      << "a rank that is killed now would leave it";

  scrape_until(port, "ebb_steps_total", value("ebb_steps_total") + 5);
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().exit_code, 75) << run.err();
  EXPECT_EQ(scrape(port), "") << "somebody serves it still";
}

TEST_F(MetricsPort, ServesThisHostAloneUnlessAllInterfacesAreAskedFor) {
  const int port = free_port();
  Process alone(tiny_.launch("alone", forever(port)));
  scrape_until(port, "ebb_steps_total", 1);
  EXPECT_EQ(scrape(port, 2), "");
  alone.signal(SIGTERM);
  EXPECT_EQ(alone.wait().exit_code, 75) << alone.err();
  auto settings = forever(port);
  settings.emplace_back("telemetry.address=all");
  Process open(tiny_.launch("open", settings));
  scrape_until(port, "ebb_steps_total", 1);
  EXPECT_THAT(scrape(port, 2), HasSubstr("ebb_steps_total"));
  open.signal(SIGTERM);
  EXPECT_EQ(open.wait().exit_code, 75) << open.err();
}

TEST_F(MetricsPort, SilentClientsBlockNobodyForLong) {
  const int port = free_port();
  Process run(tiny_.launch("silent", forever(port)));
  scrape_until(port, "ebb_steps_total", 1);
  EXPECT_THAT(Client(port).get("/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Client(port).get("/metrics/../config.yaml"), StartsWith("HTTP/1.1 404"));
  std::deque<Client> silent;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(silent.emplace_back(port).connected());
  EXPECT_THAT(scrape(port), HasSubstr("ebb_steps_total")) << "three clients block the fourth";
  EXPECT_TRUE(silent.emplace_back(port).connected());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(scrape(port), HasSubstr("ebb_steps_total")) << "it waits until a silent client is disconnected";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_EQ(silent.front().read(), "");
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().exit_code, 75) << run.err();
}

TEST_F(MetricsPort, AnAddressThatIsNoneIsRefused) {
  auto settings = forever(free_port());
  settings.emplace_back("telemetry.address=localhost:80");
  const ProcessResult result = run(tiny_.launch("nowhere", settings));
  EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("localhost:80 is not an IP address"));
  settings.back() = "telemetry.address=192.0.2.1";  // of no host: RFC 5737
  const ProcessResult other = run(tiny_.launch("elsewhere", settings));
  EXPECT_EQ(other.exit_code, 5) << other.out << other.err;
  EXPECT_THAT(other.err, HasSubstr("(telemetry.address=192.0.2.1)"));
}

TEST_F(MetricsPort, APortInUseIsRefusedAtTheStartAndToldOnce) {
  const Listener taken;
  const ProcessResult result = run(tiny_.launch("taken", forever(taken.port())));
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("port " + std::to_string(taken.port()) + " cannot be opened"));
  EXPECT_EQ(result.err.find("telemetry.port:"), result.err.rfind("telemetry.port:")) << result.err;
}

TEST_F(MetricsPort, KilledRanksLeaveNothingAndTheNextRunServesAgain) {
  const int port = free_port();
  Process first(tiny_.launch("again", forever(port)));
  scrape_until(port, "ebb_steps_total", 25);
  for (const pid_t mpirun : children(first.pid()))
    for (const pid_t rank : children(mpirun)) ::kill(rank, SIGKILL);
  EXPECT_EQ(first.wait().exit_code, 5) << first.err();
  EXPECT_EQ(scrape(port), "");
  EXPECT_FALSE(std::filesystem::exists(shared_file_of(tiny_.run_folder("again"))));
  Process second(tiny_.launch("again", forever(port)));
  const Scraped resumed = parse(scrape_until(port, "ebb_steps_total", 30));
  EXPECT_GT(resumed.samples.at("ebb_checkpoint_timestamp_seconds"), 0);
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait().exit_code, 75) << second.err();
}

// Prometheus' own parser and its rules for names, if it is installed.
TEST_F(MetricsPort, PromtoolTakesWhatIsServed) {
  const std::string path = "PATH=$PATH:" + source_dir() + "/.deps/bin; ";
  if (run_shell(path + "command -v promtool").exit_code != 0)
    GTEST_SKIP() << "there is no promtool on PATH or in .deps/bin (Debian's package prometheus has it)";
  const int port = free_port();
  Process training(tiny_.launch("checked", forever(port)));
  const std::string text = scrape_until(port, "ebb_steps_total", 25);
  training.signal(SIGTERM);
  std::string ours;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.find("exposer_") == std::string::npos) ours += line + "\n";  // the HTTP library's own
  ProcessOptions options;
  options.input = ours;
  const ProcessResult checked = run_shell(path + "promtool check metrics", options);
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  training.wait();
}

}  // namespace
}  // namespace ebb::test

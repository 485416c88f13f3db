#include "data/pack_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <functional>
#include <list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "data/token_file.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = std::size_t{1} << 20;

// Called with pieces of text in their order, and with the end of each document.
struct Sink {
  std::function<void(std::string_view)> text;
  std::function<void()> end_of_document;
};

// "text" of line `number`.
std::string text_of(const std::string& line, const fs::path& path, std::int64_t number) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  const auto found = json.is_object() ? json.find("text") : json.end();
  if (!json.is_object() || found == json.end() || !found->is_string())
    throw Error(ExitCode::data, fmt::format("{}:{}: this line is no JSON object with a string \"text\"",
                                            path.string(), number));
  return found->get<std::string>();
}

void read_lines(const fs::path& path, const Sink& sink) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error(ExitCode::data,
                fmt::format("cannot read {}: is it there, and may you read it?", path.string()));
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty()) continue;
    sink.text(text_of(line, path, number));
    sink.end_of_document();
  }
  if (in.bad())
    throw Error(ExitCode::storage, fmt::format("reading {} failed at line {}", path.string(), number + 1));
}

void read_text(const fs::path& path, const Sink& sink) {
  const ReadFile file(path, ExitCode::data);
  if (file.size() == 0) throw Error(ExitCode::data, fmt::format("{} is empty", path.string()));
  std::vector<char> block(kBlock);
  for (std::int64_t at = 0; at < file.size();) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(file.size() - at, kBlock));
    file.read_at(at, std::as_writable_bytes(std::span(block).first(n)));
    sink.text({block.data(), n});
    at += static_cast<std::int64_t>(n);
  }
  sink.end_of_document();
}

void read_all(const std::vector<fs::path>& inputs, const Sink& sink) {
  for (const fs::path& path : inputs)
    path.extension() == ".jsonl" ? read_lines(path, sink) : read_text(path, sink);
}

PackTextResult count(const std::vector<fs::path>& inputs) {
  PackTextResult result;
  read_all(inputs, {[&](std::string_view text) { result.tokens += std::ssize(text); },
                    [&] {
                      ++result.tokens;
                      ++result.documents;
                    }});
  return result;
}

// A token file that is being written: it knows beforehand how many tokens it will hold.
class Writer {
 public:
  Writer(const fs::path& path, std::int64_t tokens) : file_(path), left_(tokens) {
    std::array<std::int32_t, kLlmcHeader> header{};
    header[0] = kLlmcMagicU16;
    header[1] = 1;
    header[2] = static_cast<std::int32_t>(static_cast<std::uint32_t>(tokens));
    file_.append(std::as_bytes(std::span(header)));
    block_.reserve(kBlock);
  }
  [[nodiscard]] std::int64_t left() const { return left_; }
  void put(std::int32_t token) {
    --left_;
    block_.push_back(static_cast<std::uint16_t>(token));
    if (block_.size() == kBlock || left_ == 0) flush();
  }
  void commit() { file_.commit(); }

 private:
  void flush() {
    file_.append(std::as_bytes(std::span(block_)));
    block_.clear();
  }

  AtomicFile file_;
  std::int64_t left_;
  std::vector<std::uint16_t> block_;
};

struct Part {
  fs::path path;
  std::int64_t tokens;
};

std::vector<Part> parts_of(const PackTextOptions& options, const PackTextResult& counted) {
  if (options.test_share == 0) return {{options.out, counted.tokens}};
  return {{options.out / "train.bin", counted.tokens - counted.test_tokens},
          {options.out / "test.bin", counted.test_tokens}};
}

void refuse_what_is_there(const std::vector<Part>& parts) {
  std::error_code ignored;
  for (const Part& part : parts)
    if (fs::exists(fs::symlink_status(part.path, ignored)))
      throw Error(ExitCode::usage,
                  fmt::format("{} is there; give another --out, or remove it", part.path.string()));
}

}  // namespace

PackTextResult pack_text_bytes(const PackTextOptions& options, const Progress& progress) {
  refuse_what_is_there(parts_of(options, {}));
  PackTextResult counted = count(options.inputs);
  if (counted.documents == 0)
    throw Error(ExitCode::data, "the inputs hold no document: there is nothing to pack");
  counted.test_tokens = std::llround(options.test_share * static_cast<double>(counted.tokens));
  if (options.test_share > 0 && (counted.test_tokens < 2 || counted.tokens - counted.test_tokens < 2))
    throw Error(ExitCode::data,
                fmt::format("a share of {:g} for the test leaves {} of {} tokens there: give another one, or "
                            "more text",
                            options.test_share, counted.test_tokens, counted.tokens));
  const std::vector<Part> parts = parts_of(options, counted);
  std::list<Writer> writers;
  for (const Part& part : parts) {
    if (part.path.has_parent_path()) make_folders(part.path.parent_path());
    writers.emplace_back(part.path, part.tokens);
  }

  auto writer = writers.begin();
  std::int64_t written = 0;
  const auto put = [&](std::int32_t token) {
    if (writer != writers.end() && writer->left() == 0) ++writer;
    ++written;
    if (writer != writers.end()) writer->put(token);
  };
  read_all(options.inputs, {[&](std::string_view text) {
                              for (const char c : text) put(static_cast<unsigned char>(c));
                              if (progress) progress(std::min(written, counted.tokens), counted.tokens);
                            },
                            [&] { put(kEndOfDocument); }});
  if (written != counted.tokens)
    throw Error(ExitCode::data,
                fmt::format("the inputs changed while they were packed: {} tokens at first, then {}",
                            counted.tokens, written));
  for (Writer& each : writers) each.commit();
  if (progress) progress(counted.tokens, counted.tokens);
  return counted;
}

}  // namespace ebb::data

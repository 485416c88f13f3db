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

bool is_there(const Part& part) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(part.path, ignored));
}

// Holds a token file against tokens that are given to it one after another.
class Comparison {
 public:
  explicit Comparison(const Part& part) : file_(part.path), same_(file_.size() == part.tokens) {}
  [[nodiscard]] std::int64_t left() const { return file_.size() - next_; }
  void put(std::int32_t token) {
    if (!same_) return;
    const auto place = static_cast<std::size_t>(next_) % kBlock;
    if (place == 0) {
      block_.resize(std::min(kBlock, static_cast<std::size_t>(left())));
      file_.read(next_, block_);
    }
    same_ = block_[place] == token;
    ++next_;
  }
  [[nodiscard]] bool same() const { return same_ && left() == 0; }

 private:
  TokenFile file_;
  bool same_;
  std::int64_t next_ = 0;
  std::vector<std::int32_t> block_;
};

// Gives every token of the inputs to the targets, to each as many as it has left. Returns how many there
// were.
template <class Target>
std::int64_t pour(const std::vector<fs::path>& inputs, std::list<Target>& targets,
                  const std::function<void(std::int64_t)>& progress) {
  auto target = targets.begin();
  std::int64_t poured = 0;
  const auto put = [&](std::int32_t token) {
    while (target != targets.end() && target->left() == 0) ++target;
    if (target != targets.end()) target->put(token);
    ++poured;
  };
  read_all(inputs, {[&](std::string_view text) {
                      for (const char c : text) put(static_cast<unsigned char>(c));
                      progress(poured);
                    },
                    [&] { put(kEndOfDocument); }});
  return poured;
}

bool hold_the_same(const std::vector<Part>& parts, const std::vector<fs::path>& inputs) {
  if (!std::ranges::all_of(parts, is_there)) return false;
  try {
    std::list<Comparison> files(parts.begin(), parts.end());
    pour(inputs, files, [](std::int64_t) {});
    return std::ranges::all_of(files, &Comparison::same);
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    return false;  // it is no such file at all
  }
}

}  // namespace

PackTextResult pack_text_bytes(const PackTextOptions& options, const Progress& progress) {
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
  counted.already_there = hold_the_same(parts, options.inputs);
  if (counted.already_there) return counted;
  if (const auto there = std::ranges::find_if(parts, is_there); there != parts.end())
    throw Error(
        ExitCode::usage,
        fmt::format("{} is there, and not with all that would be packed; give another --out, or remove it",
                    there->path.string()));
  std::list<Writer> writers;
  for (const Part& part : parts) {
    if (part.path.has_parent_path()) make_folders(part.path.parent_path());
    writers.emplace_back(part.path, part.tokens);
  }
  const std::int64_t written = pour(options.inputs, writers, [&](std::int64_t done) {
    if (progress) progress(std::min(done, counted.tokens), counted.tokens);
  });
  if (written != counted.tokens)
    throw Error(ExitCode::data,
                fmt::format("the inputs changed while they were packed: {} tokens at first, then {}",
                            counted.tokens, written));
  for (Writer& each : writers) each.commit();
  if (progress) progress(counted.tokens, counted.tokens);
  return counted;
}

}  // namespace ebb::data

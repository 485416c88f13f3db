// SPDX-License-Identifier: Apache-2.0
#include "data/tokens/pack_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <list>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "base/utf8.h"
#include "data/text_source.h"
#include "data/tokens/token_file.h"

namespace ebb::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::int64_t kWidest = 65536;  // ids that fit in two bytes

// Converts documents that arrive in chunks to tokens, part by part.
class TokenStream {
 public:
  explicit TokenStream(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  // put(tokens of a part)
  template <class Put>
  void add(std::string_view text, const Put& put) {
    pending_ += text;
    std::size_t done = 0;
    while (const std::size_t taken = encode(std::string_view(pending_).substr(done), false, put))
      done += taken;
    pending_.erase(0, done);
  }
  template <class Put>
  void end(const Put& put) {
    for (std::string_view rest = pending_; !rest.empty();) rest.remove_prefix(encode(rest, true, put));
    pending_.clear();
    offset_ = 0;
    ++document_;
    put(std::vector<std::int64_t>{*tokenizer_.end_of_document()});
  }
  [[nodiscard]] const std::optional<NotUtf8>& not_utf8() const { return not_utf8_; }

 private:
  template <class Put>
  std::size_t encode(std::string_view text, bool is_last, const Put& put) {
    std::vector<std::int64_t> tokens;
    std::size_t taken = 0;
    try {
      taken = tokenizer_.encode_part(text, {offset_, is_last}, tokens);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("document {}: {}", document_, error.what()));
    } catch (const std::bad_alloc&) {
      throw Error(
          ExitCode::memory,
          fmt::format("the system refuses memory to encode {} of document {} from byte {} on: check "
                      "which other programs use its memory",
                      format_bytes(std::ssize(text.substr(0, Tokenizer::kPartBytes))), document_, offset_));
    }
    if (!not_utf8_) note_not_utf8(text.substr(0, taken));
    offset_ += static_cast<std::int64_t>(taken);
    put(tokens);
    return taken;
  }
  void note_not_utf8(std::string_view part) {
    if (const std::size_t at = find_not_utf8(part); at != std::string_view::npos)
      not_utf8_ = {document_, offset_ + static_cast<std::int64_t>(at), static_cast<unsigned char>(part[at])};
  }

  const Tokenizer& tokenizer_;
  std::string pending_;
  std::int64_t document_ = 1, offset_ = 0;  // of pending_
  std::optional<NotUtf8> not_utf8_;
};

PackTextResult count(const TextInputs& inputs, const Tokenizer& tokenizer) {
  PackTextResult result;
  TokenStream tokens(tokenizer);
  const auto add = [&](const std::vector<std::int64_t>& more) { result.tokens += std::ssize(more); };
  result.skipped_lines = read_texts(inputs, {[&](std::string_view text) { tokens.add(text, add); },
                                             [&] {
                                               tokens.end(add);
                                               ++result.documents;
                                             }});
  result.not_utf8 = tokens.not_utf8();
  return result;
}

// Writes a token file whose number of tokens is known beforehand.
class Writer {
 public:
  Writer(const fs::path& path, std::int64_t tokens, bool wide) : file_(path), left_(tokens), wide_(wide) {
    std::array<std::int32_t, kLlmcHeader> header{};
    header[0] = wide ? kLlmcMagicU32 : kLlmcMagicU16;
    header[1] = wide ? kLlmcVersionU32 : kLlmcVersionU16;
    header[2] = static_cast<std::int32_t>(static_cast<std::uint32_t>(tokens));
    file_.append(std::as_bytes(std::span(header)));
    block_.reserve(kBlock);
  }
  [[nodiscard]] std::int64_t left() const { return left_; }
  void put(std::int32_t token) {
    --left_;
    block_.push_back(static_cast<std::uint16_t>(token));
    if (wide_) block_.push_back(static_cast<std::uint16_t>(token >> 16));
    if (block_.size() >= kBlock || left_ == 0) flush();
  }
  void commit() { file_.commit(); }

 private:
  void flush() {
    file_.append(std::as_bytes(std::span(block_)));
    block_.clear();
  }

  AtomicFile file_;
  std::int64_t left_;
  bool wide_;  // 4 bytes per token
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

// Compares a token file with a stream of tokens.
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

// Passes all tokens of the inputs to the targets, filling one after the other. Returns their number.
template <class Target>
std::int64_t distribute(const TextInputs& inputs, const Tokenizer& tokenizer, std::list<Target>& targets,
                        const std::function<void(std::int64_t)>& progress) {
  auto target = targets.begin();
  std::int64_t passed = 0;
  TokenStream tokens(tokenizer);
  const auto put = [&](const std::vector<std::int64_t>& more) {
    for (const std::int64_t token : more) {
      while (target != targets.end() && target->left() == 0) ++target;
      if (target != targets.end()) target->put(static_cast<std::int32_t>(token));
      ++passed;
    }
  };
  read_texts(inputs, {[&](std::string_view text) {
                        tokens.add(text, put);
                        progress(passed);
                      },
                      [&] { tokens.end(put); }});
  return passed;
}

bool files_match(const std::vector<Part>& parts, const TextInputs& inputs, const Tokenizer& tokenizer) {
  if (!std::ranges::all_of(parts, is_there)) return false;
  try {
    std::list<Comparison> files(parts.begin(), parts.end());
    distribute(inputs, tokenizer, files, [](std::int64_t) {});
    return std::ranges::all_of(files, &Comparison::same);
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    return false;  // not a token file
  }
}

PackTextResult count_and_write(const PackTextOptions& options, const Tokenizer& tokenizer,
                               const Progress& progress) {
  if (!tokenizer.end_of_document())
    throw Error(
        ExitCode::usage,
        "this tokenizer has no token that ends a document (<|endoftext|>, <|end_of_text|> or </s>), and "
        "token files need one between documents");
  PackTextResult counted = count(options.inputs, tokenizer);
  if (counted.documents == 0)
    throw Error(ExitCode::data, "the inputs hold no document, so there is nothing to pack");
  counted.test_tokens = std::llround(options.test_share * static_cast<double>(counted.tokens));
  if (options.test_share > 0 && (counted.test_tokens < 2 || counted.tokens - counted.test_tokens < 2))
    throw Error(ExitCode::data,
                fmt::format("a test share of {:g} gives the test split {} of {} tokens: give another share, "
                            "or more text",
                            options.test_share, counted.test_tokens, counted.tokens));
  const std::vector<Part> parts = parts_of(options, counted);
  counted.already_there = files_match(parts, options.inputs, tokenizer);
  if (counted.already_there) return counted;
  if (const auto there = std::ranges::find_if(parts, is_there); there != parts.end())
    throw Error(
        ExitCode::usage,
        fmt::format("{} exists with other contents; give another --out, or remove it", there->path.string()));
  std::list<Writer> writers;
  for (const Part& part : parts) {
    if (part.path.has_parent_path()) make_folders(part.path.parent_path());
    writers.emplace_back(part.path, part.tokens, tokenizer.vocabulary() > kWidest);
  }
  const std::int64_t written = distribute(options.inputs, tokenizer, writers, [&](std::int64_t done) {
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

}  // namespace

PackTextResult pack_text(const PackTextOptions& options, const Tokenizer& tokenizer,
                         const Progress& progress) {
  try {
    return count_and_write(options, tokenizer, progress);
  } catch (const std::bad_alloc&) {
    throw Error(
        ExitCode::memory,
        fmt::format("the system refuses memory to pack text into {}: a line of JSON is held whole, with "
                    "its text; check which other programs use its memory",
                    options.out.string()));
  }
}

}  // namespace ebb::data

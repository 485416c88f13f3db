// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "base/work_count.h"
#include "checkpoint/lease_file.h"

namespace ebb::checkpoint {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kSayEvery_s = 10;
constexpr double kLongestPoll_s = 0.2;  // so that a stop request is noticed soon

double seconds_since(Clock::time_point t) {
  return std::chrono::duration<double>(Clock::now() - t).count();
}

// Watches the lease of another process by the clock of this process.
class Watch {
 public:
  explicit Watch(double unreadable_expire_s) : unreadable_expire_s_(unreadable_expire_s) {}
  // Returns true if the lease with this `text` may be taken over.
  bool is_stale(const std::string& text) {
    if (text != text_) {
      text_ = text;
      since_ = Clock::now();
    }
    const auto holder = LeaseHolder::parse(text);
    if (!holder) return seconds_since(since_) > unreadable_expire_s_;
    if (holder->is_certainly_gone() || seconds_since(since_) > holder->expire_s) return true;
    return holder->seems_expired() && seconds_since(since_) > 2 * holder->renew_s;
  }
  // Returns whether the lease may soon become stale. acquire() then watches it, even with WhenHeld::refuse.
  [[nodiscard]] static bool is_doubtful(const std::string& text) {
    const auto holder = LeaseHolder::parse(text);
    return holder && (holder->is_certainly_gone() || holder->seems_expired());
  }

 private:
  double unreadable_expire_s_;
  std::string text_;
  Clock::time_point since_ = Clock::now();
};

std::string holder_text(const std::string& text, const std::filesystem::path& path) {
  const auto holder = LeaseHolder::parse(text);
  return holder ? holder->describe() : fmt::format("someone ({} cannot be read)", path.string());
}

}  // namespace

struct Lease::Impl {
  Impl(const std::filesystem::path& run_folder, double renew_s, double expire_s)
      : folder(run_folder), file(run_folder), self(LeaseHolder::of_this_process(renew_s, expire_s)) {}

  void acquire(WhenHeld when_held, const Say& say, const Stop& stop);
  std::optional<std::string> try_to_acquire(Watch& watch);
  void start();
  void keep();
  bool renew_once(std::string& taken);

  std::filesystem::path folder;
  LeaseFile file;
  LeaseHolder self;
  mutable std::mutex mutex;
  std::condition_variable wake;
  bool ending = false;
  std::string lost;           // the reason; empty: it is ours
  Clock::time_point renewed;  // the last time that the file was ours
  std::thread thread;
};

// Returns nullopt if the lease is ours, else the text of the file of another process, which still holds it.
std::optional<std::string> Lease::Impl::try_to_acquire(Watch& watch) {
  while (true) {
    self.renewed_at = LeaseHolder::of_this_process(0, 0).renewed_at;
    auto text = file.read();
    if (!text) {
      if (file.create(self)) return std::nullopt;
      continue;
    }
    if (!watch.is_stale(*text)) return text;
    file.break_stale(*text, self.token);
  }
}

void Lease::Impl::acquire(WhenHeld when_held, const Say& say, const Stop& stop) {
  Watch watch(self.expire_s);
  const auto begin = Clock::now();
  double next_word_s = 0;
  while (true) {
    if (stop && stop()) {
      throw Error(ExitCode::stopped,
                  fmt::format("stopped while waiting for {}: no training was started", folder.string()));
    }
    const auto text = try_to_acquire(watch);
    if (!text) return;
    count_work();  // a wait for another run is no standstill
    if (when_held == WhenHeld::refuse && !Watch::is_doubtful(*text)) {
      throw Error(
          ExitCode::usage,
          fmt::format(
              "{} is being written by {}. Wait for it with run.when_held=wait, or give this run another "
              "name: run.name=... (if that process has certainly ended, delete {})",
              folder.string(), holder_text(*text, file.path()), file.path().string()));
    }
    if (say && seconds_since(begin) >= next_word_s) {
      say(fmt::format("waiting for {}, held by {}; {} so far", folder.string(),
                      holder_text(*text, file.path()), format_duration(seconds_since(begin))));
      next_word_s = seconds_since(begin) + kSayEvery_s;
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(kLongestPoll_s, self.renew_s)));
  }
}

// Returns true if the lease is ours now. `taken` receives a text about a takeover.
bool Lease::Impl::renew_once(std::string& taken) {
  const auto text = file.read();
  const auto holder = text ? LeaseHolder::parse(*text) : std::nullopt;
  if (holder && holder->token != self.token) {
    taken = fmt::format("{} took it over, since it was not renewed in time", holder->describe());
    return false;
  }
  self.renewals += 1;
  self.renewed_at = LeaseHolder::of_this_process(0, 0).renewed_at;
  // The file is missing: another process moved it for a moment, or a user deleted it. It is ours again unless
  // another process is faster.
  if (!text) {
    return file.create(self);
  }
  file.renew(self);
  return true;
}

void Lease::Impl::start() {
  renewed = Clock::now();
  thread = std::thread([this] { keep(); });
}

void Lease::Impl::keep() {
  std::unique_lock lock(mutex);
  while (lost.empty() &&
         !wake.wait_for(lock, std::chrono::duration<double>(self.renew_s), [&] { return ending; })) {
    lock.unlock();  // hanging storage must not block check()
    bool ours = false;
    std::string taken;
    try {
      ours = renew_once(taken);
    } catch (const std::exception&) {
      // An error of the storage is not a loss yet: check() counts from `renewed`.
    }
    lock.lock();
    if (ours) renewed = Clock::now();
    lost = taken;
  }
}

Lease::Lease(const std::filesystem::path& run_folder, WhenHeld when_held, double renew_s, double expire_s,
             const Say& say, const Stop& stop)
    : impl_(std::make_unique<Impl>(run_folder, renew_s, expire_s)) {
  make_folders(run_folder);
  impl_->acquire(when_held, say, stop);
  impl_->start();
}

Lease::Lease(std::unique_ptr<Impl> taken) : impl_(std::move(taken)) {
  impl_->start();
}

std::unique_ptr<Lease> Lease::acquire_if_free(const std::filesystem::path& run_folder, double renew_s,
                                              double expire_s) {
  make_folders(run_folder);
  auto impl = std::make_unique<Impl>(run_folder, renew_s, expire_s);
  Watch watch(expire_s);
  if (impl->try_to_acquire(watch)) return nullptr;
  return std::unique_ptr<Lease>(new Lease(std::move(impl)));
}

Lease::~Lease() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
  try {
    const auto text = impl_->file.read();
    const auto holder = text ? LeaseHolder::parse(*text) : std::nullopt;
    if (holder && holder->token == impl_->self.token) impl_->file.remove();
  } catch (const std::exception&) {
    // The lease expires.
  }
}

void Lease::check() const {
  const std::scoped_lock lock(impl_->mutex);
  std::string why = impl_->lost;
  if (why.empty() && seconds_since(impl_->renewed) > impl_->self.expire_s) {
    why = fmt::format("it could not be renewed for {}", format_duration(seconds_since(impl_->renewed)));
  }
  if (!why.empty()) {
    throw Error(
        ExitCode::communication,
        fmt::format(
            "this run no longer holds {}: {}. It ends, so that two runs do not write there; run the same "
            "command again to continue",
            impl_->folder.string(), why));
  }
}

}  // namespace ebb::checkpoint

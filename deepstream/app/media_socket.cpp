#include "media_socket.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

#include "clocks.h"

namespace sightline::app {
namespace {

/** What waits for a door that does not read, all streams together. */
constexpr std::size_t waiting_bytes = 8 << 20;
constexpr std::int64_t waiting_us = 2'000'000;
/** Left of a message for all that is not the unit's own bytes. */
constexpr std::size_t unit_limit_bytes = message_limit_bytes - 1024;
/** A connection that lasted so long is one that the door wants. */
constexpr std::int64_t steady_us = 2'000'000;
constexpr int poll_idle_ms = 1000;
/** Looked at again while units wait for their epoch, which comes on another socket. */
constexpr int epoch_ms = 20;

} // namespace

MediaSocket::MediaSocket(MediaOptions options, const EpochTable &epochs, Log &log)
    : options_(std::move(options)), epochs_(epochs), log_(log), streams_(2 * options_.cameras.size()) {}

MediaSocket::~MediaSocket() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wakeup_.notify();
  thread_.join();
}

void MediaSocket::start(std::function<void()> connected) {
  connected_ = std::move(connected);
  thread_ = std::thread([this] { run(); });
}

void MediaSocket::send(std::size_t camera, wire::Variant variant, std::shared_ptr<const StreamFormat> format,
                       ClockedUnit unit) {
  const auto stream = index_of(camera, variant);
  {
    const std::lock_guard lock(mutex_);
    if (unit.data.size() > unit_limit_bytes || inbox_bytes_ + unit.data.size() > waiting_bytes) {
      streams_[stream].dropped.fetch_add(1, std::memory_order_relaxed);
      if (streams_[stream].gap) return;
      unit.key = false;
      unit.data.clear();
    }
    streams_[stream].gap = unit.data.empty();
    inbox_bytes_ += unit.data.size();
    inbox_.push_back({stream, std::move(format), std::move(unit), mono_us()});
  }
  wakeup_.notify();
}

std::uint64_t MediaSocket::dropped(std::size_t camera, wire::Variant variant) const {
  return streams_[index_of(camera, variant)].dropped.load(std::memory_order_relaxed);
}

void MediaSocket::run() {
  while (true) {
    const short events = static_cast<short>(POLLIN | (sent_ < out_.size() ? POLLOUT : 0));
    std::array<pollfd, 2> watched{{{wakeup_.fd(), POLLIN, 0}, {socket_ ? socket_.get() : -1, events, 0}}};
    int timeout_ms = queue_.empty() ? poll_idle_ms : epoch_ms;
    if (!socket_)
      timeout_ms = static_cast<int>(std::clamp<std::int64_t>((retry_at_us_ - mono_us()) / 1000 + 1, 1, poll_idle_ms));
    poll(watched.data(), watched.size(), timeout_ms);
    wakeup_.clear();
    take_inbox();
    {
      const std::lock_guard lock(mutex_);
      if (stop_) return;
    }
    if (socket_ && watched[1].revents != 0) {
      // The door says nothing; read all the same, to hear of its end.
      std::array<char, 256> nothing{};
      const auto length = recv(socket_.get(), nothing.data(), nothing.size(), 0);
      if (length == 0)
        disconnect("it closed the connection");
      else if (length < 0 && errno != EAGAIN && errno != EINTR)
        disconnect(std::strerror(errno));
    }
    if (!socket_ && mono_us() >= retry_at_us_) connect_now();
    if (socket_) flush();
    drop_late();
  }
}

void MediaSocket::connect_now() {
  std::string problem;
  socket_ = connect_local(options_.path, problem);
  if (!socket_) {
    disconnect(problem);
    return;
  }
  connected_us_ = mono_us();
  out_ = media_hello_message(options_.worker, options_.token);
  sent_ = 0;
  for (auto &stream : streams_) {
    stream.format.reset();
    stream.broken = true;
  }
  connected_();
}

void MediaSocket::disconnect(const std::string &why) {
  if (socket_ && mono_us() - connected_us_ > steady_us) {
    backoff_.reset();
    away_ = false;
  }
  socket_.reset();
  out_.clear();
  sent_ = 0;
  retry_at_us_ = mono_us() + backoff_.next_us();
  if (!away_) log_.warn("media door is away, video waits for it", {{"reason", why}});
  away_ = true;
}

void MediaSocket::take_inbox() {
  const std::lock_guard lock(mutex_);
  bytes_ += inbox_bytes_;
  inbox_bytes_ = 0;
  for (auto &item : inbox_) queue_.push_back(std::move(item));
  inbox_.clear();
}

void MediaSocket::lose(const Item &item) {
  Stream &stream = streams_[item.stream];
  stream.dropped.fetch_add(1, std::memory_order_relaxed);
  stream.broken = true;
  bytes_ -= item.unit.data.size();
}

/** Gives up the oldest unit, and those of its stream that cannot be decoded without it. */
void MediaSocket::drop_late() {
  while (!queue_.empty() && (bytes_ > waiting_bytes || mono_us() - queue_.front().at_us > waiting_us)) {
    const auto stream = queue_.front().stream;
    std::deque<Item> kept;
    bool is_first = true;
    bool whole = false;
    for (auto &item : queue_) {
      whole = whole || (!is_first && item.stream == stream && item.unit.key);
      if (item.stream == stream && !whole)
        lose(item);
      else
        kept.push_back(std::move(item));
      is_first = false;
    }
    queue_.swap(kept);
  }
}

void MediaSocket::flush() {
  while (true) {
    if (sent_ == out_.size() && !fill()) return;
    switch (send_some(socket_.get(), out_, sent_)) {
    case Sent::full:
      return;
    case Sent::broken:
      disconnect(std::strerror(errno));
      return;
    case Sent::some:
      break;
    }
  }
}

/** The next unit whose camera has an epoch; false when there is none. */
bool MediaSocket::fill() {
  out_.clear();
  sent_ = 0;
  for (auto at = queue_.begin(); at != queue_.end();) {
    const auto epoch = epochs_.epoch(at->stream / 2, at->unit.generation);
    if (!epoch) {
      ++at;
      continue;
    }
    const Item item = std::move(*at);
    at = queue_.erase(at);
    Stream &stream = streams_[item.stream];
    if (item.unit.key) stream.broken = false;
    if (item.unit.data.empty()) {
      stream.broken = true;
      continue;
    }
    if (stream.broken) {
      lose(item);
      continue;
    }
    bytes_ -= item.unit.data.size();
    write(item, *epoch);
    return true;
  }
  return false;
}

void MediaSocket::write(const Item &item, std::uint32_t epoch) {
  Stream &stream = streams_[item.stream];
  const StreamFormat &format = *item.format;
  const VideoFormat facts{options_.cameras[item.stream / 2],
                          epoch,
                          item.stream % 2 == 0 ? wire::Variant::clean : wire::Variant::annotated,
                          format.codec,
                          format.width,
                          format.height,
                          format.parameter_sets,
                          format.revision};
  if (stream.format != item.format || stream.epoch != epoch) {
    stream.format = item.format;
    stream.epoch = epoch;
    out_ += format_message(facts);
  }
  out_ += unit_message(facts, item.unit);
}

} // namespace sightline::app

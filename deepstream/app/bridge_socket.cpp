#include "bridge_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

#include "clocks.h"

namespace sightline::app {
namespace {

/** A message of frames is closed at these: what is in it is read when all of it is there. */
constexpr std::size_t batch_frames = 32;
constexpr std::size_t batch_bytes = 64 << 10;
/** Frames that are measured before they are sent: the first of a batch do not wait for the crops of the last. */
constexpr std::size_t measured_bytes = 64 << 10;
/** Bytes that are handed to the socket together: what is lost with a connection is no more. */
constexpr std::size_t out_bytes = 256 << 10;
/** Log lines that wait; beyond, the oldest go. */
constexpr std::size_t waiting_lines = 1024;
/** What a waiting frame takes besides its bytes. */
constexpr std::size_t frame_overhead = 96;
/** Control messages that wait for a daemon that does not read; what comes besides stays where it is bounded. */
constexpr std::size_t waiting_control = 4096;
constexpr int idle_ms = 1000;

} // namespace

BridgeSocket::BridgeSocket(BridgeOptions options, BridgeEvents events, Outbox &outbox, CropJudge &judge, Room &room,
                           EpochTable &epochs, Log &log)
    : options_(std::move(options)), events_(std::move(events)), outbox_(outbox), judge_(judge), room_(room), epochs_(epochs),
      log_(log), cameras_(options_.cameras.size()) {}

BridgeSocket::~BridgeSocket() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    inbox_.stop = true;
  }
  outbox_.wakeup().notify();
  thread_.join();
}

void BridgeSocket::start() {
  alone_since_us_ = mono_us();
  thread_ = std::thread([this] { run(); });
}

void BridgeSocket::status(std::size_t camera, SourceStatusFacts facts) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.statuses[camera] = std::move(facts);
  }
  outbox_.wakeup().notify();
}

void BridgeSocket::stats(const StatsFacts &facts) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.stats = stats_message(facts);
  }
  outbox_.wakeup().notify();
}

bool BridgeSocket::log_line(const LogEntry &entry) {
  {
    const std::lock_guard lock(mutex_);
    if (!listening_) return false;
    inbox_.lines.push_back(log_message(name_of(entry.level), entry.message, entry.fields));
    if (inbox_.lines.size() > waiting_lines) inbox_.lines.pop_front();
  }
  outbox_.wakeup().notify();
  return true;
}

void BridgeSocket::drain(std::int64_t deadline_us) {
  std::unique_lock lock(mutex_);
  inbox_.drain = true;
  outbox_.wakeup().notify();
  const auto left = std::chrono::microseconds(std::max<std::int64_t>(0, deadline_us - mono_us()));
  changed_.wait_for(lock, left, [&] { return drained_; });
}

int BridgeSocket::timeout_ms() const {
  if (more_) return 0;
  if (socket_) return idle_ms;
  return static_cast<int>(std::clamp<std::int64_t>((retry_at_us_ - mono_us()) / 1000 + 1, 1, idle_ms));
}

void BridgeSocket::run() {
  while (true) {
    const short events = static_cast<short>(POLLIN | (sent_ < out_.size() ? POLLOUT : 0));
    std::array<pollfd, 2> watched{{{outbox_.wakeup().fd(), POLLIN, 0}, {socket_ ? socket_.get() : -1, events, 0}}};
    poll(watched.data(), watched.size(), timeout_ms());
    outbox_.wakeup().clear();
    take_inbox();
    if (ending_) return;
    take_frames();
    if (socket_ && watched[1].revents != 0) receive();
    if (!socket_ && !draining_ && mono_us() >= retry_at_us_) connect_now();
    if (!socket_ && mono_us() - alone_since_us_ > options_.alone_us) {
      alone_since_us_ = mono_us();
      events_.over(Exit::done, "no daemon has come back for " + std::to_string(options_.alone_us / 1'000'000) + " s");
    }
    if (socket_) flush();
    if (draining_ && (!socket_ || !welcomed_ || (said_drained_ && sent_ == out_.size()))) {
      const std::lock_guard lock(mutex_);
      drained_ = true;
      changed_.notify_all();
    }
    room_.set(frames_bytes_ + outbox_.bytes() < options_.waiting_bytes / 4);
  }
}

void BridgeSocket::connect_now() {
  std::string problem;
  socket_ = connect_local(options_.path, problem);
  if (!socket_) {
    retry_at_us_ = mono_us() + backoff_.next_us();
    if (!away_) log_.warn("the daemon does not listen on the bridge", {{"path", options_.path}, {"reason", problem}});
    away_ = true;
    return;
  }
  splitter_ = {};
  out_ = hello_message(options_.hello);
  sent_ = 0;
  for (auto &camera : cameras_) camera = {};
}

void BridgeSocket::disconnect(const std::string &why) {
  socket_.reset();
  {
    const std::lock_guard lock(mutex_);
    listening_ = false;
  }
  for (const auto camera : leaving_) outbox_.count_dropped(camera);
  leaving_.clear();
  out_.clear();
  sent_ = 0;
  control_.clear();
  if (welcomed_) alone_since_us_ = mono_us();
  retry_at_us_ = mono_us() + backoff_.next_us();
  if (welcomed_ || !away_) log_.warn("bridge ended, frames wait for the daemon", {{"reason", why}});
  away_ = true;
  welcomed_ = false;
}

void BridgeSocket::receive() {
  std::array<char, 65536> chunk{};
  while (socket_) {
    const auto length = recv(socket_.get(), chunk.data(), chunk.size(), 0);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) {
      disconnect(length == 0 ? "the daemon closed the connection" : std::strerror(errno));
      return;
    }
    try {
      splitter_.push({chunk.data(), static_cast<std::size_t>(length)});
      for (std::string_view message; socket_ && splitter_.next(message);) obey(read_command(message));
    } catch (const std::exception &error) {
      disconnect(std::string("the daemon sent what cannot be read: ") + error.what());
      return;
    }
  }
}

void BridgeSocket::obey(Command command) {
  if (control_.size() >= 2 * waiting_control) {
    disconnect("the daemon asks and does not read the answers");
  } else if (const auto *ping = std::get_if<Ping>(&command)) {
    control_.push_front(pong_message(ping->id));
  } else if (const auto *welcome = std::get_if<Welcome>(&command)) {
    welcomed(*welcome);
  } else if (!welcomed_ && !std::holds_alternative<Drain>(command)) {
    disconnect("the daemon's first word was not welcome");
  } else if (const auto *configure = std::get_if<Configure>(&command)) {
    checked(*configure);
  } else if (const auto *given = std::get_if<Epoch>(&command)) {
    epoch_given(*given);
  } else if (const auto *labels = std::get_if<Labels>(&command)) {
    const auto camera = index_of(labels->camera);
    const auto generation = camera ? epochs_.generation(*camera, labels->epoch) : std::nullopt;
    if (generation) events_.labelled(*camera, *generation, labels->labels);
  } else if (const auto *want = std::get_if<WantVideo>(&command)) {
    if (const auto camera = index_of(want->camera)) events_.wanted(*camera, want->annotated);
  } else if (std::holds_alternative<Drain>(command)) {
    events_.drain();
  }
}

void BridgeSocket::welcomed(const Welcome &welcome) {
  if (welcome.protocol_version != protocol_version) {
    events_.over(Exit::settings, "the daemon speaks protocol " + std::to_string(welcome.protocol_version) +
                                     ", this program speaks " + std::to_string(protocol_version) +
                                     ": its image is not of the daemon's version");
    disconnect("another protocol");
    return;
  }
  const bool is_first = !revisions_;
  auto cameras = checked(welcome.configure);
  if (!cameras) return;
  welcomed_ = true;
  backoff_.reset();
  {
    const std::lock_guard lock(mutex_);
    listening_ = true;
  }
  if (away_) log_.info("bridge is there again");
  away_ = false;
  if (is_first) {
    for (std::size_t camera = 0; camera < cameras_.size(); camera += 1) ask(camera, 1);
    events_.configured(std::move(*cameras));
  }
  for (const auto &[camera, facts] : statuses_)
    control_.push_back(status_message(options_.cameras[camera], cameras_[camera].epoch, facts));
}

std::optional<std::vector<CameraConfig>> BridgeSocket::checked(const Configure &configure) {
  std::vector<CameraConfig> ordered;
  std::vector<std::string> revisions;
  for (const auto &name : options_.cameras) {
    for (const auto &camera : configure.cameras) {
      if (camera.camera != name) continue;
      ordered.push_back(camera);
      revisions.push_back(camera.revision);
      break;
    }
  }
  if (configure.cameras.size() != options_.cameras.size() || ordered.size() != options_.cameras.size()) {
    events_.over(Exit::other_cameras, "the daemon names other cameras than this container was started for");
    return std::nullopt;
  }
  if (revisions_ && *revisions_ != revisions) {
    events_.over(Exit::other_cameras, "the daemon has other settings for cameras than this container was started with");
    return std::nullopt;
  }
  revisions_ = revisions;
  return ordered;
}

void BridgeSocket::take_inbox() {
  Inbox taken;
  {
    const std::lock_guard lock(mutex_);
    ending_ = inbox_.stop;
    draining_ = draining_ || inbox_.drain;
    if (control_.size() >= waiting_control) return;
    std::swap(taken, inbox_);
  }
  for (auto &[camera, facts] : taken.statuses) {
    if (welcomed_) control_.push_back(status_message(options_.cameras[camera], cameras_[camera].epoch, facts));
    statuses_[camera] = std::move(facts);
  }
  if (!welcomed_) return;
  for (auto &line : taken.lines) control_.push_back(std::move(line));
  if (taken.stats) control_.push_back(std::move(*taken.stats));
}

void BridgeSocket::take_frames() {
  auto taken = outbox_.take(measured_bytes);
  more_ = !taken.empty();
  for (auto &record : taken) {
    judge_.judge(record);
    frames_.push_back({record.camera, record.generation, frame_body(record, options_.cameras[record.camera])});
    frames_bytes_ += frames_.back().body.size() + frame_overhead;
  }
  while (frames_bytes_ > options_.waiting_bytes) {
    outbox_.count_dropped(frames_.front().camera);
    frames_bytes_ -= frames_.front().body.size() + frame_overhead;
    frames_.pop_front();
  }
}

void BridgeSocket::flush() {
  while (true) {
    if (sent_ == out_.size()) fill();
    if (out_.empty()) return;
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

void BridgeSocket::fill() {
  out_.clear();
  sent_ = 0;
  leaving_.clear();
  if (!welcomed_) return;
  while (out_.size() < out_bytes && !control_.empty()) {
    out_ += control_.front();
    control_.pop_front();
  }
  while (out_.size() < out_bytes && !frames_.empty()) {
    const auto before = frames_.size();
    fill_frames();
    if (frames_.size() == before) break;
  }
  if (draining_ && !more_ && !said_drained_ && frames_.empty() && control_.empty()) {
    out_ += drained_message();
    said_drained_ = true;
  }
}

void BridgeSocket::fill_frames() {
  std::vector<LeavingFrame> leaving;
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (; count < frames_.size() && leaving.size() < batch_frames && bytes < batch_bytes; count += 1) {
    const Waiting &frame = frames_[count];
    const CameraEpochs &camera = cameras_[frame.camera];
    if (frame.generation > camera.generation) {
      ask(frame.camera, frame.generation);
      break;
    }
    if (frame.generation < camera.generation) {
      // The daemon has gone on to a newer epoch and would not take it.
      outbox_.count_dropped(frame.camera);
      continue;
    }
    leaving.push_back({frame.body, camera.epoch});
    leaving_.push_back(frame.camera);
    bytes += frame.body.size();
  }
  if (!leaving.empty()) out_ += frames_message(leaving, mono_us());
  for (; count > 0; count -= 1) {
    frames_bytes_ -= frames_.front().body.size() + frame_overhead;
    frames_.pop_front();
  }
  // A question about an epoch leaves with this.
  while (!control_.empty()) {
    out_ += control_.front();
    control_.pop_front();
  }
}

void BridgeSocket::ask(std::size_t camera, std::uint32_t generation) {
  auto &asked = cameras_[camera].asked;
  if (!asked.empty() && asked.back() >= generation) return;
  asked.push_back(generation);
  control_.push_back(epoch_request_message(options_.cameras[camera]));
}

void BridgeSocket::epoch_given(const Epoch &given) {
  const auto camera = index_of(given.camera);
  if (!camera || cameras_[*camera].asked.empty()) return;
  CameraEpochs &epochs = cameras_[*camera];
  epochs.generation = epochs.asked.front();
  epochs.asked.pop_front();
  epochs.epoch = given.epoch;
  epochs_.set(*camera, epochs.generation, epochs.epoch);
}

std::optional<std::size_t> BridgeSocket::index_of(const std::string &camera) const {
  for (std::size_t i = 0; i < options_.cameras.size(); i += 1)
    if (options_.cameras[i] == camera) return i;
  return std::nullopt;
}

} // namespace sightline::app

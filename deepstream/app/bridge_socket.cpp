#include "bridge_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

#include "clocks.h"

namespace sightline::app {
namespace {

/** A message of frames is closed at these, well below the limit: a crop is a few ten kilobytes. */
constexpr std::size_t batchFrames = 32;
constexpr std::size_t batchBytes = messageLimitBytes / 4;
/** Bytes that are handed to the socket together: what is lost with a connection is no more. */
constexpr std::size_t outBytes = 256 << 10;
/** Log lines that wait; beyond, the oldest go. */
constexpr std::size_t waitingLines = 1024;
/** What a waiting frame takes besides its bytes. */
constexpr std::size_t frameOverhead = 96;
constexpr int idleMs = 1000;

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
  aloneSinceUs_ = monoUs();
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
    inbox_.stats = statsMessage(facts);
  }
  outbox_.wakeup().notify();
}

bool BridgeSocket::logLine(const LogEntry &entry) {
  {
    const std::lock_guard lock(mutex_);
    if (!listening_) return false;
    inbox_.lines.push_back(logMessage(levelName(entry.level), entry.message, entry.fields));
    if (inbox_.lines.size() > waitingLines) inbox_.lines.pop_front();
  }
  outbox_.wakeup().notify();
  return true;
}

void BridgeSocket::drain(std::int64_t deadlineUs) {
  std::unique_lock lock(mutex_);
  inbox_.drain = true;
  outbox_.wakeup().notify();
  const auto left = std::chrono::microseconds(std::max<std::int64_t>(0, deadlineUs - monoUs()));
  changed_.wait_for(lock, left, [&] { return drained_; });
}

int BridgeSocket::timeoutMs() const {
  if (socket_) return idleMs;
  return static_cast<int>(std::clamp<std::int64_t>((retryAtUs_ - monoUs()) / 1000 + 1, 1, idleMs));
}

void BridgeSocket::run() {
  while (true) {
    const short events = static_cast<short>(POLLIN | (sent_ < out_.size() ? POLLOUT : 0));
    std::array<pollfd, 2> watched{{{outbox_.wakeup().fd(), POLLIN, 0}, {socket_ ? socket_.get() : -1, events, 0}}};
    poll(watched.data(), watched.size(), timeoutMs());
    outbox_.wakeup().clear();
    takeInbox();
    if (ending_) return;
    takeFrames();
    if (socket_ && watched[1].revents != 0) receive();
    if (!socket_ && !draining_ && monoUs() >= retryAtUs_) connectNow();
    if (!socket_ && monoUs() - aloneSinceUs_ > options_.aloneUs) {
      aloneSinceUs_ = monoUs();
      events_.over(Exit::done, "no daemon has come back for " + std::to_string(options_.aloneUs / 1'000'000) + " s");
    }
    if (socket_) flush();
    if (draining_ && (!socket_ || !welcomed_ || (saidDrained_ && sent_ == out_.size()))) {
      const std::lock_guard lock(mutex_);
      drained_ = true;
      changed_.notify_all();
    }
    room_.set(framesBytes_ < options_.waitingBytes / 4);
  }
}

void BridgeSocket::connectNow() {
  std::string problem;
  socket_ = connectLocal(options_.path, problem);
  if (!socket_) {
    retryAtUs_ = monoUs() + backoff_.nextUs();
    if (!away_) log_.warn("the daemon does not listen on the bridge", {{"path", options_.path}, {"reason", problem}});
    away_ = true;
    return;
  }
  splitter_ = {};
  out_ = helloMessage(options_.hello);
  sent_ = 0;
  for (auto &camera : cameras_) camera = {};
}

void BridgeSocket::disconnect(const std::string &why) {
  socket_.reset();
  {
    const std::lock_guard lock(mutex_);
    listening_ = false;
  }
  for (const auto camera : leaving_) outbox_.countDropped(camera);
  leaving_.clear();
  out_.clear();
  sent_ = 0;
  control_.clear();
  if (welcomed_) aloneSinceUs_ = monoUs();
  retryAtUs_ = monoUs() + backoff_.nextUs();
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
      for (std::string_view message; socket_ && splitter_.next(message);) obey(readCommand(message));
    } catch (const std::exception &error) {
      disconnect(std::string("the daemon sent what cannot be read: ") + error.what());
      return;
    }
  }
}

void BridgeSocket::obey(Command command) {
  if (const auto *ping = std::get_if<Ping>(&command)) {
    control_.push_front(pongMessage(ping->id));
  } else if (const auto *welcome = std::get_if<Welcome>(&command)) {
    welcomed(*welcome);
  } else if (!welcomed_ && !std::holds_alternative<Drain>(command)) {
    disconnect("the daemon's first word was not welcome");
  } else if (const auto *configure = std::get_if<Configure>(&command)) {
    checked(*configure);
  } else if (const auto *given = std::get_if<Epoch>(&command)) {
    epochGiven(*given);
  } else if (const auto *labels = std::get_if<Labels>(&command)) {
    const auto camera = indexOf(labels->camera);
    const auto generation = camera ? epochs_.generation(*camera, labels->epoch) : std::nullopt;
    if (generation) events_.labelled(*camera, *generation, labels->labels);
  } else if (const auto *want = std::get_if<WantVideo>(&command)) {
    if (const auto camera = indexOf(want->camera)) events_.wanted(*camera, want->annotated);
  } else if (std::holds_alternative<Drain>(command)) {
    events_.drain();
  }
}

void BridgeSocket::welcomed(const Welcome &welcome) {
  if (welcome.protocolVersion != protocolVersion) {
    events_.over(Exit::settings, "the daemon speaks protocol " + std::to_string(welcome.protocolVersion) +
                                     ", this program speaks " + std::to_string(protocolVersion));
    disconnect("another protocol");
    return;
  }
  const bool isFirst = !revisions_;
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
  if (isFirst) {
    for (std::size_t camera = 0; camera < cameras_.size(); camera += 1) ask(camera, 1);
    events_.configured(std::move(*cameras));
  }
  for (const auto &[camera, facts] : statuses_)
    control_.push_back(statusMessage(options_.cameras[camera], cameras_[camera].epoch, facts));
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
    events_.over(Exit::otherCameras, "the daemon names other cameras than this container was started for");
    return std::nullopt;
  }
  if (revisions_ && *revisions_ != revisions) {
    events_.over(Exit::otherCameras, "the daemon has other settings for cameras than this container was started with");
    return std::nullopt;
  }
  revisions_ = revisions;
  return ordered;
}

void BridgeSocket::takeInbox() {
  Inbox taken;
  {
    const std::lock_guard lock(mutex_);
    std::swap(taken, inbox_);
  }
  ending_ = taken.stop;
  draining_ = draining_ || taken.drain;
  for (auto &[camera, facts] : taken.statuses) {
    if (welcomed_) control_.push_back(statusMessage(options_.cameras[camera], cameras_[camera].epoch, facts));
    statuses_[camera] = std::move(facts);
  }
  if (!welcomed_) return;
  for (auto &line : taken.lines) control_.push_back(std::move(line));
  if (taken.stats) control_.push_back(std::move(*taken.stats));
}

void BridgeSocket::takeFrames() {
  for (auto &record : outbox_.takeAll()) {
    judge_.judge(record);
    frames_.push_back({record.camera, record.generation, frameBody(record, options_.cameras[record.camera])});
    framesBytes_ += frames_.back().body.size() + frameOverhead;
  }
  while (framesBytes_ > options_.waitingBytes) {
    outbox_.countDropped(frames_.front().camera);
    framesBytes_ -= frames_.front().body.size() + frameOverhead;
    frames_.pop_front();
  }
}

void BridgeSocket::flush() {
  while (true) {
    if (sent_ == out_.size()) fill();
    if (out_.empty()) return;
    switch (sendSome(socket_.get(), out_, sent_)) {
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
  while (out_.size() < outBytes && !control_.empty()) {
    out_ += control_.front();
    control_.pop_front();
  }
  while (out_.size() < outBytes && !frames_.empty()) {
    const auto before = frames_.size();
    fillFrames();
    if (frames_.size() == before) break;
  }
  if (draining_ && !saidDrained_ && frames_.empty() && control_.empty()) {
    out_ += drainedMessage();
    saidDrained_ = true;
  }
}

void BridgeSocket::fillFrames() {
  std::vector<LeavingFrame> leaving;
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (; count < frames_.size() && leaving.size() < batchFrames && bytes < batchBytes; count += 1) {
    const Waiting &frame = frames_[count];
    const CameraEpochs &camera = cameras_[frame.camera];
    if (frame.generation > camera.generation) {
      ask(frame.camera, frame.generation);
      break;
    }
    if (frame.generation < camera.generation) {
      // The daemon has gone on to a newer epoch and would not take it.
      outbox_.countDropped(frame.camera);
      continue;
    }
    leaving.push_back({frame.body, camera.epoch});
    leaving_.push_back(frame.camera);
    bytes += frame.body.size();
  }
  if (!leaving.empty()) out_ += framesMessage(leaving, monoUs());
  for (; count > 0; count -= 1) {
    framesBytes_ -= frames_.front().body.size() + frameOverhead;
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
  control_.push_back(epochRequestMessage(options_.cameras[camera]));
}

void BridgeSocket::epochGiven(const Epoch &given) {
  const auto camera = indexOf(given.camera);
  if (!camera || cameras_[*camera].asked.empty()) return;
  CameraEpochs &epochs = cameras_[*camera];
  epochs.generation = epochs.asked.front();
  epochs.asked.pop_front();
  epochs.epoch = given.epoch;
  epochs_.set(*camera, epochs.generation, epochs.epoch);
}

std::optional<std::size_t> BridgeSocket::indexOf(const std::string &camera) const {
  for (std::size_t i = 0; i < options_.cameras.size(); i += 1)
    if (options_.cameras[i] == camera) return i;
  return std::nullopt;
}

} // namespace sightline::app

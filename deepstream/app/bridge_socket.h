#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backoff.h"
#include "commands.h"
#include "crop_judge.h"
#include "epochs.h"
#include "exit_codes.h"
#include "local_socket.h"
#include "log.h"
#include "messages.h"
#include "outbox.h"

namespace sightline::app {

/** Called on the bridge's own thread; they hand over and return. */
struct BridgeEvents {
  /** The first welcome: its cameras are those of the settings, in their order. */
  std::function<void(std::vector<CameraConfig>)> configured;
  std::function<void(std::size_t camera, std::uint32_t generation, const std::vector<Label> &)> labelled;
  std::function<void(std::size_t camera, bool annotated)> wanted;
  std::function<void()> drain;
  /** The program is to end. */
  std::function<void(Exit, const std::string &why)> over;
};

struct BridgeOptions {
  std::string path;
  HelloFacts hello;
  /** Camera names in the order of the settings. */
  std::vector<std::string> cameras;
  std::int64_t alone_us;
  /** Of frames that wait for the daemon. */
  std::size_t waiting_bytes;
};

/**
 * The program's end of the bridge, with a thread of its own: connects, says Hello, comes back after 0.1 to 2 s, and keeps what
 * waits while the daemon is away; beyond the limit the oldest frames go and are counted. Epochs are stamped on frames when they
 * leave.
 */
class BridgeSocket {
public:
  BridgeSocket(BridgeOptions options, BridgeEvents events, Outbox &outbox, CropJudge &judge, Room &room, EpochTable &epochs,
               Log &log);
  ~BridgeSocket();
  BridgeSocket(const BridgeSocket &) = delete;
  BridgeSocket &operator=(const BridgeSocket &) = delete;

  void start();
  /** The latest of each camera is sent, and sent again with every connection. */
  void status(std::size_t camera, SourceStatusFacts facts);
  void stats(const StatsFacts &facts);
  /** False while there is no daemon to take it. */
  bool log_line(const LogEntry &entry);
  /** Sends what waits and Drained; returns when that has left, or at the deadline, or at once without a daemon. */
  void drain(std::int64_t deadline_us);

private:
  struct Waiting {
    std::size_t camera;
    std::uint32_t generation;
    std::string body;
  };
  struct CameraEpochs {
    std::deque<std::uint32_t> asked;
    std::uint32_t generation = 0;
    std::uint32_t epoch = 0;
  };
  struct Inbox {
    std::deque<std::string> lines;
    std::map<std::size_t, SourceStatusFacts> statuses;
    std::optional<std::string> stats;
    bool drain = false;
    bool stop = false;
  };

  void run();
  int timeout_ms() const;
  void connect_now();
  void disconnect(const std::string &why);
  void receive();
  void obey(Command command);
  void welcomed(const Welcome &welcome);
  /** The cameras in the settings' order; absent, and the program's end, when they are others. */
  std::optional<std::vector<CameraConfig>> checked(const Configure &configure);
  void take_inbox();
  void take_frames();
  void flush();
  void fill();
  void fill_frames();
  void ask(std::size_t camera, std::uint32_t generation);
  void epoch_given(const Epoch &given);
  std::optional<std::size_t> index_of(const std::string &camera) const;

  const BridgeOptions options_;
  const BridgeEvents events_;
  Outbox &outbox_;
  CropJudge &judge_;
  Room &room_;
  EpochTable &epochs_;
  Log &log_;

  std::mutex mutex_;
  Inbox inbox_;
  bool listening_ = false;
  bool drained_ = false;
  std::condition_variable changed_;

  // The thread's own.
  Descriptor socket_;
  MessageSplitter splitter_;
  bool welcomed_ = false;
  bool draining_ = false;
  bool said_drained_ = false;
  bool ending_ = false;
  std::string out_;
  std::size_t sent_ = 0;
  /** Cameras of the frames in `out_`. */
  std::vector<std::size_t> leaving_;
  std::deque<std::string> control_;
  std::deque<Waiting> frames_;
  /** More frames may be in the outbox. */
  bool more_ = false;
  std::size_t frames_bytes_ = 0;
  std::vector<CameraEpochs> cameras_;
  std::map<std::size_t, SourceStatusFacts> statuses_;
  std::optional<std::vector<std::string>> revisions_;
  Backoff backoff_;
  std::int64_t retry_at_us_ = 0;
  std::int64_t alone_since_us_ = 0;
  bool away_ = false;

  std::thread thread_;
};

} // namespace sightline::app

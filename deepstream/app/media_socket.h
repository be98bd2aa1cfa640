#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "backoff.h"
#include "epochs.h"
#include "local_socket.h"
#include "log.h"
#include "messages.h"
#include "wakeup.h"

namespace sightline::app {

/** One object for all units that it describes. */
struct StreamFormat {
  std::string codec;
  std::uint32_t width;
  std::uint32_t height;
  std::string parameter_sets;
  /** Of the camera's settings. */
  std::string revision;
};

struct MediaOptions {
  std::string path;
  std::string worker;
  std::string token;
  std::vector<std::string> cameras;
};

/**
 * The program's end of media.sock, with a thread of its own. Whoever gives it units never waits: what the door does not take in
 * time is dropped, oldest first and up to the next key frame of the stream, and counted. A door that is away is looked for
 * again and again.
 */
class MediaSocket {
public:
  MediaSocket(MediaOptions options, const EpochTable &epochs, Log &log);
  ~MediaSocket();
  MediaSocket(const MediaSocket &) = delete;
  MediaSocket &operator=(const MediaSocket &) = delete;

  /** `connected` is called on its thread: what the door gets begins with key frames, and an encoder may give one sooner. */
  void start(std::function<void()> connected);
  void send(std::size_t camera, wire::Variant variant, std::shared_ptr<const StreamFormat> format, ClockedUnit unit);
  std::uint64_t dropped(std::size_t camera, wire::Variant variant) const;

private:
  struct Item {
    std::size_t stream;
    std::shared_ptr<const StreamFormat> format;
    ClockedUnit unit;
    std::int64_t at_us;
  };
  struct Stream {
    std::atomic<std::uint64_t> dropped = 0;
    /** What the door knows of it, on this connection, and in which epoch. */
    std::shared_ptr<const StreamFormat> format;
    std::uint32_t epoch = 0;
    /** Units are left out until the next key frame. */
    bool broken = true;
    /** Units were lost before they reached the thread, which has been told by an item without bytes. Under the lock. */
    bool gap = false;
  };

  static std::size_t index_of(std::size_t camera, wire::Variant variant) {
    return 2 * camera + (variant == wire::Variant::annotated ? 1 : 0);
  }

  void run();
  void connect_now();
  void disconnect(const std::string &why);
  void take_inbox();
  void lose(const Item &item);
  void drop_late();
  void flush();
  bool fill();
  void write(const Item &item, std::uint32_t epoch);

  const MediaOptions options_;
  const EpochTable &epochs_;
  Log &log_;
  std::function<void()> connected_;
  Wakeup wakeup_;

  std::mutex mutex_;
  std::deque<Item> inbox_;
  std::size_t inbox_bytes_ = 0;
  bool stop_ = false;

  std::vector<Stream> streams_;
  // The thread's own.
  std::deque<Item> queue_;
  std::size_t bytes_ = 0;
  Descriptor socket_;
  std::string out_;
  std::size_t sent_ = 0;
  Backoff backoff_;
  std::int64_t retry_at_us_ = 0;
  std::int64_t connected_us_ = 0;
  bool away_ = false;

  std::thread thread_;
};

} // namespace sightline::app

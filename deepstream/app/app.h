#pragma once

#include <glib.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bridge_socket.h"
#include "camera.h"
#include "camera_states.h"
#include "crop_judge.h"
#include "detector_trouble.h"
#include "epochs.h"
#include "gpu_monitor.h"
#include "interval.h"
#include "labels.h"
#include "log.h"
#include "media_socket.h"
#include "outbox.h"
#include "pipeline.h"
#include "probe.h"
#include "renewals.h"
#include "settings.h"
#include "source.h"
#include "watch_branch.h"
#include "watchdog.h"

namespace sightline::app {

/** The program: introduces its parts to each other, on the main thread's loop. */
class App {
public:
  App(Settings settings, const std::string &token, Log &log);
  ~App();
  App(const App &) = delete;
  App &operator=(const App &) = delete;

  Exit run();

private:
  BridgeOptions bridge_options(const std::string &token) const;
  BridgeEvents bridge_events();
  /** Lets the main thread's loop call it. */
  void post(std::function<void()> call);
  void take_wants();
  void configured(std::vector<CameraConfig> cameras);
  std::optional<Failure> prepare(std::vector<CameraConfig> cameras);
  void tick();
  void say_stats();
  void adjust_interval();
  Pulse pulse() const;
  /** Ends the loop; the first reason counts. */
  void end(Exit code, const std::string &why);
  void close();

  const Settings settings_;
  Log &log_;
  GMainLoop *loop_;
  std::vector<guint> timers_;

  EpochTable epochs_;
  Outbox outbox_;
  Room room_;
  CropJudge judge_;
  LabelStore labels_;
  Watchdog watchdog_;
  std::unique_ptr<MediaSocket> media_;
  BatchProbe probe_;
  std::vector<std::unique_ptr<Camera>> cameras_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::unique_ptr<CameraStates> states_;
  std::unique_ptr<WatchBranch> watch_;
  std::unique_ptr<Renewals> renewals_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<BridgeSocket> bridge_;
  GpuMonitor gpu_;
  /** Who wants annotated video: as the daemon said last, and what of it the main thread has not taken up. */
  std::map<std::size_t, bool> wanted_;
  std::mutex wants_mutex_;
  std::map<std::size_t, bool> wants_;

  /** Decoded frames of each camera when figures were last sent. */
  std::vector<std::uint64_t> frames_before_;
  std::vector<LookMeter> meters_;
  std::vector<DetectorTrouble> troubles_;
  std::int64_t stats_us_ = 0;
  std::int64_t interval_us_ = 0;

  std::atomic<bool> playing_ = false;
  std::atomic<std::int64_t> started_us_ = 0;
  std::atomic<std::int64_t> beat_us_ = 0;
  bool ending_ = false;
  /** Gone with the program. */
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Exit code_ = Exit::done;
};

} // namespace sightline::app

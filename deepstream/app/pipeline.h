#pragma once

#include <functional>
#include <gst/gst.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exit_codes.h"
#include "holders.h"
#include "interval.h"
#include "log.h"
#include "probe.h"
#include "source.h"
#include "watch_branch.h"

namespace sightline::app {

struct Failure {
  Exit exit;
  std::string reason;
};

/** What an error of the pipeline means for the process. Pure. */
Failure failureOf(const std::string &factory, const std::string &text);

/**
 * nvurisrcbin of each camera -> nvstreammux -> queue -> nvinferserver of each detector -> nvtracker -> probe -> tee ->
 * fakesink, and the drawing branch while somebody watches. For the main thread.
 */
class Pipeline {
public:
  struct Events {
    std::function<void(const Failure &)> failed;
    std::function<void(Camera &, const std::string &)> sourceWarned;
    std::function<void(Camera &, const std::string &)> sourceFailed;
  };
  Pipeline(const Settings &settings, BatchProbe &probe, Log &log);
  ~Pipeline();
  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;

  /** Builds it and lets it run, without sources yet; or why not. Blocks until the detectors have what they need. */
  std::optional<Failure> start(bool live, WatchBranch *watch, Events events);
  /** Opens it; the reason where that fails at once. */
  std::optional<std::string> open(Source &source);
  void setInterval(unsigned batches);
  unsigned interval() const { return interval_; }
  void stop();

private:
  GstElement *add(const char *factory, const std::string &name);
  std::optional<Failure> build(bool live);
  std::optional<Failure> pendingFailure();
  static gboolean onMessage(GstBus *bus, GstMessage *message, gpointer self);
  void takeMessage(GstMessage *message);
  Source *sourceOf(GstObject *object);

  const Settings &settings_;
  BatchProbe &probe_;
  Log &log_;
  Events events_;
  ElementRef pipeline_;
  BusRef bus_;
  guint watchId_ = 0;
  GstElement *mux_ = nullptr;
  GstElement *tee_ = nullptr;
  std::vector<GstElement *> detectors_;
  std::vector<Source *> sources_;
  WatchBranch *watch_ = nullptr;
  unsigned interval_ = 0;
  std::string missing_;
};

} // namespace sightline::app

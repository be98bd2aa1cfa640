#pragma once

#include <atomic>
#include <functional>
#include <gst/gst.h>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "detector_gate.h"
#include "exit_codes.h"
#include "holders.h"
#include "interval.h"
#include "log.h"
#include "masking.h"
#include "probe.h"
#include "source.h"
#include "watch_branch.h"

namespace sightline::app {

struct Failure {
  Exit exit;
  std::string reason;
};

/** What an error of the pipeline means for the process. Pure. */
Failure failure_of(const std::string &factory, const std::string &text);

/**
 * nvurisrcbin of each camera -> nvstreammux -> queue -> gate -> nvinferserver of each detector -> nvtracker -> probe -> tee ->
 * fakesink, and the drawing branch while somebody watches. For the main thread.
 */
class Pipeline {
public:
  struct Events {
    std::function<void(const Failure &)> failed;
    std::function<void(Camera &, const std::string &)> source_warned;
    std::function<void(Camera &, const std::string &)> source_failed;
  };
  Pipeline(const Settings &settings, BatchProbe &probe, Log &log);
  ~Pipeline();
  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;

  /** Builds it and lets it run, without sources yet; or why not. Blocks until the detectors have what they need. */
  std::optional<Failure> start(bool live, WatchBranch *watch, Events events);
  /** Opens it, or opens it again after it has parted; the reason where that fails at once. */
  std::optional<std::string> open(Source &source);
  /** As Source::part. */
  std::function<void()> part(Source &source) { return source.part(GST_BIN(pipeline_.get()), mux_); }
  /** Batches that detectors leave out after each that they look at. */
  void set_interval(unsigned batches) { interval_ = batches; }
  unsigned interval() const { return interval_; }
  /** Detectors or tracker have a batch that has not come through. */
  bool busy() const { return gate_ != nullptr && gate_->busy(); }
  void stop();

private:
  GstElement *add(const char *factory, const std::string &name);
  std::optional<Failure> build(bool live);
  std::optional<Failure> pending_failure();
  Failure failure_at(GstObject *from, const std::string &text) const;
  static GstPadProbeReturn on_gate(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_through(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_batch(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static gboolean on_message(GstBus *bus, GstMessage *message, gpointer self);
  void take_message(GstMessage *message);
  Source *source_of(GstObject *object);

  const Settings &settings_;
  BatchProbe &probe_;
  Log &log_;
  Events events_;
  ElementRef pipeline_;
  BusRef bus_;
  guint watch_id_ = 0;
  GstElement *mux_ = nullptr;
  GstElement *tee_ = nullptr;
  std::vector<GstElement *> detectors_;
  std::vector<Source *> sources_;
  WatchBranch *watch_ = nullptr;
  std::unique_ptr<Masking> masking_;
  /** Where all cameras are live. */
  std::unique_ptr<DetectorGate> gate_;
  std::atomic<unsigned> interval_ = 0;
  /** As the detectors know it; of the thread that brings them batches. */
  unsigned told_interval_ = 0;
  std::string missing_;
};

} // namespace sightline::app

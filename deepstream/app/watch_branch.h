#pragma once

#include <functional>
#include <gst/gst.h>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "encoded_output.h"
#include "holders.h"
#include "labels.h"
#include "log.h"
#include "media_socket.h"
#include "probe.h"
#include "settings.h"

namespace sightline::app {

/**
 * Annotated video: the branch behind the tee that draws and encodes, there only while somebody watches. It is taken off and
 * made anew whenever the set of watched cameras changes: one place where a running graph changes, at a pad of the tee. What
 * fails in it stops nothing but itself. For the main thread.
 */
class WatchBranch {
public:
  WatchBranch(const Settings &settings, BatchProbe &probe, LabelStore &labels, MediaSocket &media, Log &log);
  ~WatchBranch();
  WatchBranch(const WatchBranch &) = delete;
  WatchBranch &operator=(const WatchBranch &) = delete;

  void attach(GstBin *pipeline, GstElement *tee);
  /** Asked for again while it is watched, a key frame comes. */
  void want(std::size_t camera, bool annotated);
  bool owns(GstObject *object) const;
  /** An element of it failed. */
  void failed(const std::string &reason);
  /** A failed one is tried again after a while. */
  void tick();
  void force_keys();
  /** Frames that were encoded for a camera and have no place on its clock. */
  std::uint64_t dropped(std::size_t camera) const;

private:
  bool build();
  bool add_camera(GstElement *demux, std::size_t camera);
  GstElement *add(const char *factory, const std::string &name);
  void take_off();
  void rebuild();
  static GstPadProbeReturn on_tee(GstPad *pad, GstPadProbeInfo *info, gpointer self);

  const Settings &settings_;
  BatchProbe &probe_;
  LabelStore &labels_;
  MediaSocket &media_;
  Log &log_;
  GstBin *pipeline_ = nullptr;
  GstElement *tee_ = nullptr;
  std::set<std::size_t> wanted_;
  ElementRef bin_;
  PadRef tee_pad_;
  std::map<std::size_t, std::unique_ptr<EncodedOutput>> outputs_;
  /** No more goes into it. */
  std::atomic<bool> broken_ = false;
  bool hardware_;
  std::map<std::size_t, std::uint64_t> dropped_before_;
  std::int64_t retry_at_us_ = 0;
};

} // namespace sightline::app

#pragma once

#include <condition_variable>
#include <functional>
#include <gst/gst.h>
#include <mutex>
#include <optional>
#include <string>

#include "addresses.h"
#include "camera.h"
#include "clean_units.h"
#include "holders.h"
#include "outbox.h"
#include "renewal_rule.h"

namespace sightline::app {

/** Waits in a source's own thread: a file is given at the pace of its time stamps, or as fast as there is room. */
class Pace {
public:
  Pace(bool realtime, Room &room) : realtime_(realtime), room_(room) {}
  void wait(std::int64_t pts);
  void close();

private:
  const bool realtime_;
  Room &room_;
  std::mutex mutex_;
  std::condition_variable closing_;
  bool closed_ = false;
  std::int64_t first_pts_ = 0;
  std::int64_t last_pts_ = 0;
  std::int64_t first_us_ = 0;
};

/** One nvurisrcbin and its way into the multiplexer. */
class Source {
public:
  /** Throws std::invalid_argument for an address that is not for this program. */
  Source(Camera &camera, const SourceAddress &address, int gpu, MediaSocket *media, Room &room);
  ~Source();
  Source(const Source &) = delete;
  Source &operator=(const Source &) = delete;

  /** Puts it into the pipeline; false where an element or a pad cannot be had, and then nothing is in it. */
  bool join(GstBin *pipeline, GstElement *mux);
  /** Opens it; the reason where that fails at once. Blocks where the element does. */
  std::optional<std::string> open();
  /**
   * Lets go of its bin. What is returned takes that out of the pipeline, which may block: it is called once, on a thread that
   * is neither the main one nor one of the stream. After that it can join anew.
   */
  std::function<void()> part(GstBin *pipeline, GstElement *mux);
  /** GStreamer has said something of it: the bin is at work. */
  void tried();
  SourcePulse pulse() const;
  bool owns(GstObject *object) const;
  /** It is of the bin that this let go of. */
  bool leaves(GstObject *object) const;
  Camera &camera() { return camera_; }
  const Camera &camera() const { return camera_; }
  CleanUnits &units() { return units_; }
  /** From now on its frames are dropped, and its threads wait for nothing. */
  void silence();

private:
  /** What a bin's own threads know: the bin keeps it, so that they need nothing that the main thread moves. */
  struct Way {
    Source &source;
    PadRef mux_pad;
  };
  static void on_element(GstBin *bin, GstBin *inner, GstElement *element, gpointer way);
  static void on_pad(GstElement *element, GstPad *pad, gpointer way);
  static GstPadProbeReturn on_event(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_decoded(GstPad *pad, GstPadProbeInfo *info, gpointer self);

  Camera &camera_;
  const SourceAddress address_;
  const int gpu_;
  CleanUnits units_;
  Pace pace_;
  std::atomic<bool> silenced_ = false;
  ElementRef element_;
  /** The bin before it, while that is being taken down. */
  ElementRef leaving_;
  std::shared_ptr<Way> way_;
  std::int64_t opened_us_ = 0;
  std::atomic<std::int64_t> tried_us_ = 0;
};

} // namespace sightline::app

#pragma once

#include <gst/gst.h>
#include <memory>
#include <mutex>

#include "camera.h"
#include "holders.h"
#include "media_socket.h"
#include "nal_units.h"
#include "stream_meter.h"

namespace sightline::app {

/**
 * A camera's video as it came: copies the encoded units behind the parser that decoding uses, puts them on the clock of the
 * decoded frames and hands them to the media door. Without a door it only counts.
 */
class CleanUnits {
public:
  CleanUnits(Camera &camera, MediaSocket *media) : camera_(camera), media_(media) {}

  /** For every element that a source bin makes: takes h264parse and h265parse. */
  void watch(GstElement *element);
  /** The source is opened, or opened anew: what is measured begins anew. */
  void opened();
  StreamFacts facts() const;
  /** A frame has its time. For the probe. */
  void shown(const ShownFrame &frame);

private:
  static GstPadProbeReturn on_unit(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  void take(GstPad *pad, GstBuffer *buffer);
  void read_caps(GstPad *pad);
  void send(std::vector<ClockedUnit> units);

  Camera &camera_;
  MediaSocket *const media_;

  /** Held for copying a unit, by the parser's thread and by the probe. */
  mutable std::mutex mutex_;
  StreamMeter meter_;
  PadRef parser_;
  std::int64_t taken_us_ = 0;
  CapsRef caps_;
  Coding coding_ = Coding::h264;
  unsigned length_bytes_ = 0;
  bool usable_ = false;
  std::shared_ptr<const StreamFormat> format_;
  UnitClock clock_;
};

} // namespace sightline::app

#pragma once

#include <gst/gst.h>
#include <memory>
#include <mutex>

#include "camera.h"
#include "decode_backlog.h"
#include "holders.h"
#include "media_socket.h"
#include "nal_units.h"
#include "stream_meter.h"

namespace sightline::app {

/**
 * A camera's video as it came: copies the encoded units behind the parser that decoding uses, puts them on the clock of the
 * decoded frames and hands them to the media door. Without a door it only counts. Units that are too late to be decoded go no
 * further than that.
 */
class CleanUnits {
public:
  CleanUnits(Camera &camera, MediaSocket *media) : camera_(camera), media_(media) {}

  /** For every element that a source bin makes: takes the parsers of H.264 and H.265, and what unpacks them from RTP. */
  void watch(GstElement *element);
  /** The source is opened, or opened anew: what is measured begins anew. */
  void opened();
  StreamFacts facts() const;
  /** A frame has its time. For the probe. */
  void shown(const ShownFrame &frame);

private:
  static GstPadProbeReturn on_unit(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_arrival(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  /** False: it is not decoded. */
  bool take(GstPad *pad, GstBuffer *buffer);
  void pass_on(GstPad *pad, GstBuffer *buffer, std::optional<std::int64_t> pts, bool key, std::int64_t now_us);
  void read_caps(GstPad *pad);
  void send(std::vector<ClockedUnit> units);

  Camera &camera_;
  MediaSocket *const media_;

  /** Units before the queue that waits for the decoder. */
  Arrivals arrivals_;
  /** Held for copying a unit, by the parser's thread and by the probe. */
  mutable std::mutex mutex_;
  StreamMeter meter_;
  DecodeBacklog backlog_;
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

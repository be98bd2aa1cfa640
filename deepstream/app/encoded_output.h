#pragma once

#include <atomic>
#include <gst/app/gstappsink.h>
#include <memory>

#include "labels.h"
#include "media_socket.h"
#include "probe.h"

namespace sightline::app {

/** One camera's way out of the drawing branch: labels before drawing, units behind the encoder. In streaming threads. */
class EncodedOutput {
public:
  EncodedOutput(ProbedCamera &probed, LabelStore &labels, MediaSocket &media)
      : probed_(probed), labels_(labels), media_(media) {}

  void attach(GstPad *before_drawing, GstAppSink *sink);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

private:
  static GstPadProbeReturn on_draw(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstFlowReturn on_sample(GstAppSink *sink, gpointer self);
  void draw(GstBuffer *buffer);
  void take(GstSample *sample);

  ProbedCamera &probed_;
  LabelStore &labels_;
  MediaSocket &media_;
  std::shared_ptr<const StreamFormat> format_;
  std::int64_t last_pts_ = -1;
  std::uint32_t generation_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;
};

} // namespace sightline::app

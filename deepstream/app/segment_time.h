#pragma once

#include <cstdint>
#include <gst/gst.h>
#include <optional>

namespace sightline::app {

/** A time of a pad's current segment as running time, which is what DeepStream's buf_pts is; may be negative. */
inline std::optional<std::int64_t> running_time(GstPad *pad, GstClockTime time) {
  if (!GST_CLOCK_TIME_IS_VALID(time)) return std::nullopt;
  GstEvent *event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
  if (event == nullptr) return static_cast<std::int64_t>(time);
  const GstSegment *segment = nullptr;
  gst_event_parse_segment(event, &segment);
  guint64 running = 0;
  const int sign =
      segment->format == GST_FORMAT_TIME ? gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, time, &running) : 0;
  gst_event_unref(event);
  if (sign == 0) return static_cast<std::int64_t>(time);
  return sign * static_cast<std::int64_t>(running);
}

} // namespace sightline::app

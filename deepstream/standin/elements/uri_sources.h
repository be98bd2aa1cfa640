// The inner half of nvurisrcbin: what reads an address and gives decoded pictures in system memory.
#pragma once

#include <functional>
#include <string>

#include <gst/gst.h>

namespace standin {

struct RtspSettings {
  std::string uri;
  int protocols = 7;
  guint latency_ms = 100;
  bool drop_on_latency = true;
  guint udp_buffer_size = 524288;
  int queue_leaky = 0;
  guint queue_buffers = 200;
};

/** `decoded` is called with the pad of decoded video, in a streaming thread. `alive` is called for each unit that arrives. */
struct SourceCalls {
  std::function<void(GstPad *)> decoded;
  std::function<void()> alive;
};

bool is_rtsp(const std::string &uri);
/** rtspsrc, depayloader, queue and decodebin, as the card has them; linked as streams appear. The calls must outlive it. */
GstElement *rtsp_source_new(const RtspSettings &settings, const SourceCalls *calls);
/** Everything else that GStreamer reads: files, http, rtsps (which has no reconnecting). */
GstElement *other_source_new(const std::string &uri, const SourceCalls *calls);

} // namespace standin

#include "uri_sources.h"

namespace standin {

namespace {

bool is_video(GstPad *pad) {
  GstCaps *caps = gst_pad_get_current_caps(pad);
  if (caps == nullptr) caps = gst_pad_query_caps(pad, nullptr);
  const bool video =
      gst_caps_get_size(caps) > 0 && g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/");
  gst_caps_unref(caps);
  return video;
}

void on_decoded(GstElement *, GstPad *pad, gpointer calls) {
  if (is_video(pad)) static_cast<const SourceCalls *>(calls)->decoded(pad);
}

/** One thread for each decoder: pictures come out as they go in, and a dozen cameras fit one machine. */
void on_decoder(GstBin *, GstBin *, GstElement *element, gpointer) {
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), "max-threads") != nullptr)
    g_object_set(element, "max-threads", 1, nullptr);
}

GstPadProbeReturn on_unit(GstPad *, GstPadProbeInfo *info, gpointer calls) {
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0) static_cast<const SourceCalls *>(calls)->alive();
  return GST_PAD_PROBE_OK;
}

/** What unpacks a stream; nullptr for what the card does not take. */
const char *depayloader_of(GstPad *pad) {
  GstCaps *caps = gst_pad_get_current_caps(pad);
  if (caps == nullptr) caps = gst_pad_query_caps(pad, nullptr);
  const char *found = nullptr;
  const GstStructure *rtp = gst_caps_get_size(caps) > 0 ? gst_caps_get_structure(caps, 0) : nullptr;
  const char *media = rtp == nullptr ? nullptr : gst_structure_get_string(rtp, "media");
  const char *encoding = rtp == nullptr ? nullptr : gst_structure_get_string(rtp, "encoding-name");
  if (g_strcmp0(media, "video") == 0) {
    if (g_strcmp0(encoding, "H264") == 0) found = "rtph264depay";
    if (g_strcmp0(encoding, "H265") == 0) found = "rtph265depay";
  }
  gst_caps_unref(caps);
  return found;
}

/** The first stream of video gets the rest of the chain; all others stay where they are. */
void on_rtp(GstElement *rtspsrc, GstPad *pad, gpointer calls) {
  // The bin holds this element while the signal runs.
  auto *bin = GST_BIN(GST_OBJECT_PARENT(rtspsrc));
  const char *factory = depayloader_of(pad);
  GstElement *taken = gst_bin_get_by_name(bin, "depay");
  if (factory == nullptr || taken != nullptr) {
    gst_clear_object(&taken);
    return;
  }
  GstElement *queue = gst_bin_get_by_name(bin, "dec_que");
  GstElement *depay = gst_element_factory_make(factory, "depay");
  gst_bin_add(bin, depay);
  GstPad *out = gst_element_get_static_pad(depay, "src");
  gst_pad_add_probe(out, GST_PAD_PROBE_TYPE_BUFFER, on_unit, calls, nullptr);
  gst_object_unref(out);
  gst_element_link(depay, queue);
  gst_element_sync_state_with_parent(depay);
  GstPad *in = gst_element_get_static_pad(depay, "sink");
  gst_pad_link(pad, in);
  gst_object_unref(in);
  gst_object_unref(queue);
}

} // namespace

bool is_rtsp(const std::string &uri) {
  return uri.rfind("rtsp://", 0) == 0;
}

GstElement *rtsp_source_new(const RtspSettings &settings, const SourceCalls *calls) {
  GstElement *bin = gst_bin_new("rtsp_source");
  GstElement *source = gst_element_factory_make("rtspsrc", "src");
  GstElement *queue = gst_element_factory_make("queue", "dec_que");
  GstElement *decode = gst_element_factory_make("decodebin", "decodebin");
  g_object_set(source, "location", settings.uri.c_str(), "latency", settings.latency_ms, "drop-on-latency",
               settings.drop_on_latency ? TRUE : FALSE, "udp-buffer-size", static_cast<gint>(settings.udp_buffer_size),
               "protocols", static_cast<guint>(settings.protocols), "add-reference-timestamp-meta", TRUE, nullptr);
  g_object_set(queue, "leaky", settings.queue_leaky, "max-size-buffers", settings.queue_buffers, "max-size-bytes", 0U,
               "max-size-time", static_cast<guint64>(0), nullptr);
  gst_bin_add_many(GST_BIN(bin), source, queue, decode, nullptr);
  gst_element_link(queue, decode);
  auto *data = const_cast<SourceCalls *>(calls);
  g_signal_connect(source, "pad-added", G_CALLBACK(on_rtp), data);
  g_signal_connect(decode, "pad-added", G_CALLBACK(on_decoded), data);
  g_signal_connect(decode, "deep-element-added", G_CALLBACK(on_decoder), nullptr);
  return bin;
}

GstElement *other_source_new(const std::string &uri, const SourceCalls *calls) {
  GstElement *source = gst_element_factory_make("uridecodebin", "uridecodebin");
  GstCaps *caps = gst_caps_from_string("video/x-raw(ANY)");
  g_object_set(source, "uri", uri.c_str(), "caps", caps, "expose-all-streams", FALSE, nullptr);
  gst_caps_unref(caps);
  g_signal_connect(source, "pad-added", G_CALLBACK(on_decoded), const_cast<SourceCalls *>(calls));
  g_signal_connect(source, "deep-element-added", G_CALLBACK(on_decoder), nullptr);
  return source;
}

} // namespace standin

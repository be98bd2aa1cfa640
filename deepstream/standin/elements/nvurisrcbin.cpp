// nvurisrcbin: an address to pictures in the card's memory, with reconnecting for rtsp:// alone.
#include <atomic>
#include <memory>
#include <mutex>

#include "control.h"
#include "elements.h"
#include "frames.h"
#include "gst-nvevent.h"
#include "properties.h"
#include "reconnect.h"
#include "uri_sources.h"

namespace {

using namespace standin;

enum {
  kUri = 1,
  kSourceId,
  kType,
  kProtocol,
  kLatency,
  kDropOnLatency,
  kUdpBufferSize,
  kReconnectInterval,
  kInitReconnectInterval,
  kReconnectAttempts,
  kExtraSurfaces,
  kDropFrameInterval,
  kDecSkipFrames,
  kLowLatency,
  kDisableAudio,
  kFileLoop,
  kLeaky,
  kMaxBuffers,
  kGpuId,
  kMemType,
};
PropertyTable &table() {
  static auto *specs = new PropertyTable();
  return *specs;
}

struct Source {
  explicit Source(const PropertyTable &specs) : properties(specs) {}

  Properties properties;
  SourceCalls calls;
  /** rtsp_source or uridecodebin. */
  GstElement *inner = nullptr;
  /** First and last of what makes pictures the card's. */
  GstElement *convert = nullptr;
  GstElement *last = nullptr;
  GstElement *upload = nullptr;
  GstPad *ghost = nullptr;
  guint watchdog = 0;
  /** Held by a reset: a change of state down waits for it. */
  std::mutex resetting;
  bool running = false;
  std::atomic<guint64> frames{0};
  std::mutex mutex;
  /** Only for rtsp://, with a watchdog. */
  std::unique_ptr<Reconnect> reconnect;
};

struct NvUriSrcBin {
  GstBin parent;
  Source *source;
};
struct NvUriSrcBinClass {
  GstBinClass parent;
};
G_DEFINE_TYPE(NvUriSrcBin, standin_nvurisrcbin, GST_TYPE_BIN)

NvUriSrcBin *self_of(gpointer object) {
  return static_cast<NvUriSrcBin *>(object);
}

/** With drop-frame-interval n every n-th frame goes on. While a source is watched its end is only silence: others would wait
 * for it no more, and it may come back. */
GstPadProbeReturn on_output(GstPad *, GstPadProbeInfo *info, gpointer data) {
  Source *source = self_of(data)->source;
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    // In the decoder's own thread.
    const auto id = static_cast<guint>(source->properties.integer(kSourceId));
    if (const auto slow = source_number(id, "decodeMs")) g_usleep(static_cast<gulong>(*slow) * 1000);
    const guint interval = source->properties.uint(kDropFrameInterval);
    const guint64 number = source->frames.fetch_add(1);
    return interval > 1 && number % interval != 0 ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
  }
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_EOS) return GST_PAD_PROBE_OK;
  const std::lock_guard<std::mutex> hold(source->mutex);
  return source->reconnect != nullptr ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

/** The pad of this bin appears with the first decoded stream, and stays. */
void on_decoded(NvUriSrcBin *self, GstPad *pad) {
  Source *source = self->source;
  GstPad *in = gst_element_get_static_pad(source->convert, "sink");
  GstPad *peer = gst_pad_get_peer(in);
  if (peer != nullptr) {
    // A second stream of video of the same source.
    gst_object_unref(peer);
    gst_object_unref(in);
    return;
  }
  const gboolean linked = gst_pad_link_maybe_ghosting(pad, in);
  gst_object_unref(in);
  if (linked == FALSE) GST_ELEMENT_ERROR(self, CORE, NEGOTIATION, ("decoded video cannot be linked"), (nullptr));
  if (linked == FALSE || source->ghost != nullptr) return;
  GstPad *out = gst_element_get_static_pad(source->last, "src");
  GstPadTemplate *templ = gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), "vsrc_%u");
  source->ghost = gst_ghost_pad_new_from_template("vsrc_0", out, templ);
  gst_object_unref(out);
  gst_pad_set_active(source->ghost, TRUE);
  gst_element_add_pad(GST_ELEMENT(self), source->ghost);
}

void make_inner(NvUriSrcBin *self) {
  Source *source = self->source;
  const Properties &properties = source->properties;
  const std::string uri = properties.text(kUri);
  if (is_rtsp(uri)) {
    source->inner =
        rtsp_source_new({uri, properties.choice(kProtocol), properties.uint(kLatency), properties.flag(kDropOnLatency),
                         properties.uint(kUdpBufferSize), properties.choice(kLeaky), properties.uint(kMaxBuffers)},
                        &source->calls);
  } else {
    source->inner = other_source_new(uri, &source->calls);
  }
  gst_bin_add(GST_BIN(self), source->inner);
}

void drop_inner(NvUriSrcBin *self) {
  Source *source = self->source;
  if (source->inner == nullptr) return;
  gst_element_set_state(source->inner, GST_STATE_NULL);
  gst_bin_remove(GST_BIN(self), source->inner);
  source->inner = nullptr;
}

void reset(NvUriSrcBin *self) {
  Source *source = self->source;
  GST_WARNING_OBJECT(self, "resetting source %d", source->properties.integer(kSourceId));
  drop_inner(self);
  if (source->ghost != nullptr)
    gst_pad_push_event(source->ghost, gst_nvevent_new_stream_reset(static_cast<guint>(source->properties.integer(kSourceId))));
  make_inner(self);
  gst_element_sync_state_with_parent(source->inner);
}

/** Once a second in the default main context: an application that does not run it has no reconnecting. */
gboolean watch(gpointer data) {
  NvUriSrcBin *self = self_of(data);
  Source *source = self->source;
  const auto id = static_cast<guint>(source->properties.integer(kSourceId));
  const std::lock_guard<std::mutex> whole(source->resetting);
  if (!source->running || source_flag(id, "ignoreReset")) return G_SOURCE_CONTINUE;
  ReconnectStep step = ReconnectStep::wait;
  {
    const std::lock_guard<std::mutex> hold(source->mutex);
    if (source->reconnect != nullptr) step = source->reconnect->tick(g_get_monotonic_time());
  }
  if (step == ReconnectStep::reset) reset(self);
  if (step == ReconnectStep::exceeded)
    gst_element_post_message(
        GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), gst_structure_new("reconnect-attempt-exceeded",
                                                                                       "source-id", G_TYPE_UINT, id, nullptr)));
  return G_SOURCE_CONTINUE;
}

/** While a source is watched its errors are warnings. */
void handle_message(GstBin *bin, GstMessage *message) {
  Source *source = self_of(bin)->source;
  const GstMessageType type = GST_MESSAGE_TYPE(message);
  const bool trouble = type == GST_MESSAGE_ERROR || type == GST_MESSAGE_WARNING;
  const bool of_source = trouble && GST_MESSAGE_SRC(message) != GST_OBJECT(self_of(bin));
  bool watched = false;
  if (of_source) {
    const std::lock_guard<std::mutex> hold(source->mutex);
    watched = source->reconnect != nullptr;
    if (watched) source->reconnect->warning();
  }
  if (watched && type == GST_MESSAGE_ERROR) {
    GError *error = nullptr;
    gchar *debug = nullptr;
    gst_message_parse_error(message, &error, &debug);
    GstMessage *warning = gst_message_new_warning(GST_MESSAGE_SRC(message), error, debug);
    g_error_free(error);
    g_free(debug);
    gst_message_unref(message);
    message = warning;
  }
  GST_BIN_CLASS(standin_nvurisrcbin_parent_class)->handle_message(bin, message);
}

/** What is accepted by the card and not done here must not look as if it were. */
bool supported(NvUriSrcBin *self) {
  const Properties &properties = self->source->properties;
  const char *which = properties.flag(kFileLoop)               ? "file-loop"
                      : !properties.flag(kDisableAudio)        ? "disable-audio=0"
                      : properties.choice(kDecSkipFrames) != 0 ? "dec-skip-frames"
                                                               : nullptr;
  if (which == nullptr) return true;
  GST_ELEMENT_ERROR(self, LIBRARY, SETTINGS, ("the stand-in has no %s", which), (nullptr));
  return false;
}

bool start(NvUriSrcBin *self) {
  Source *source = self->source;
  const Properties &properties = source->properties;
  const std::string uri = properties.text(kUri);
  if (uri.empty()) {
    GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("uri is not set"), (nullptr));
    return false;
  }
  if (!supported(self)) return false;
  // The card's decoder numbers its kinds of memory otherwise: device, pinned, unified.
  const int memory[] = {NVBUF_MEM_CUDA_DEVICE, NVBUF_MEM_CUDA_PINNED, NVBUF_MEM_CUDA_UNIFIED};
  g_object_set(source->upload, "nvbuf-memory-type", memory[properties.choice(kMemType)], "gpu-id", properties.uint(kGpuId),
               nullptr);
  source->frames = 0;
  const ReconnectSettings settings{properties.uint(kReconnectInterval), properties.uint(kInitReconnectInterval),
                                   properties.integer(kReconnectAttempts)};
  if (is_rtsp(uri) && settings.interval_s > 0) {
    source->reconnect = std::make_unique<Reconnect>(settings, g_get_monotonic_time());
    source->watchdog = g_timeout_add_seconds_full(G_PRIORITY_DEFAULT, 1, watch, gst_object_ref(self), gst_object_unref);
  }
  make_inner(self);
  return true;
}

void stop(NvUriSrcBin *self) {
  Source *source = self->source;
  if (source->watchdog != 0) g_source_remove(source->watchdog);
  source->watchdog = 0;
  drop_inner(self);
  {
    const std::lock_guard<std::mutex> hold(source->mutex);
    source->reconnect.reset();
  }
  if (source->ghost == nullptr) return;
  gst_pad_set_active(source->ghost, FALSE);
  gst_element_remove_pad(GST_ELEMENT(self), source->ghost);
  source->ghost = nullptr;
}

GstStateChangeReturn change_state(GstElement *element, GstStateChange transition) {
  NvUriSrcBin *self = self_of(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !start(self)) return GST_STATE_CHANGE_FAILURE;
  {
    const std::lock_guard<std::mutex> whole(self->source->resetting);
    self->source->running = GST_STATE_TRANSITION_NEXT(transition) >= GST_STATE_PAUSED;
  }
  const GstStateChangeReturn changed = GST_ELEMENT_CLASS(standin_nvurisrcbin_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) stop(self);
  return changed;
}

void finalize(GObject *object) {
  delete self_of(object)->source;
  G_OBJECT_CLASS(standin_nvurisrcbin_parent_class)->finalize(object);
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *) {
  self_of(object)->source->properties.set(id, value);
}
void get_property(GObject *object, guint id, GValue *value, GParamSpec *) {
  self_of(object)->source->properties.get(id, value);
}

PropertyTable properties_of_the_card() {
  return {
      property_text("uri"),
      property_int("source-id", -1),
      property_enum("type", "StandinSourceType", {{0, "auto"}, {1, "uri"}, {2, "rtsp"}}, 0),
      property_enum(
          "select-rtp-protocol", "StandinRtpProtocol",
          {{1, "rtp-protocol-udp"}, {2, "rtp-protocol-udp-mcast"}, {4, "rtp-protocol-tcp"}, {7, "rtp-protocol-multi"}}, 7),
      property_uint("latency", 100),
      property_bool("drop-on-latency", true),
      property_uint("udp-buffer-size", 524288),
      property_uint("rtsp-reconnect-interval", 0),
      property_uint("init-rtsp-reconnect-interval", 0),
      property_int("rtsp-reconnect-attempts", -1, -1),
      property_uint("num-extra-surfaces", 1, 24),
      property_uint("drop-frame-interval", 0, 30),
      property_enum("dec-skip-frames", "StandinSkipFrames", {{0, "decode_all"}, {1, "decode_non_ref"}, {2, "decode_key"}}, 0),
      property_bool("low-latency-mode", false),
      property_bool("disable-audio", true),
      property_bool("file-loop", false),
      property_enum("leaky", "StandinLeaky", {{0, "no"}, {1, "upstream"}, {2, "downstream"}}, 0),
      property_uint("max-size-buffers", 200),
      property_uint("gpu-id", 0),
      property_enum("cudadec-memtype", "StandinDecoderMemory",
                    {{0, "memtype_device"}, {1, "memtype_pinned"}, {2, "memtype_unified"}}, 0)};
}

void standin_nvurisrcbin_class_init(NvUriSrcBinClass *klass) {
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  table() = properties_of_the_card();
  install(object, table());
  auto *element = GST_ELEMENT_CLASS(klass);
  element->change_state = change_state;
  GST_BIN_CLASS(klass)->handle_message = handle_message;
  gst_element_class_set_static_metadata(element, "NvUriSrc Bin of the stand-in", "Source",
                                        "an address to pictures in the card's memory", "Sightline");
  GstCaps *caps = gst_caps_from_string("video/x-raw(memory:NVMM)");
  gst_element_class_add_pad_template(element, gst_pad_template_new("vsrc_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, caps));
  gst_caps_unref(caps);
}

GstElement *add(NvUriSrcBin *self, const char *factory) {
  GstElement *element = gst_element_factory_make(factory, nullptr);
  gst_bin_add(GST_BIN(self), element);
  return element;
}

void standin_nvurisrcbin_init(NvUriSrcBin *self) {
  self->source = new Source(table());
  Source *source = self->source;
  source->calls.decoded = [self](GstPad *pad) { on_decoded(self, pad); };
  source->calls.alive = [source] {
    const std::lock_guard<std::mutex> hold(source->mutex);
    if (source->reconnect != nullptr) source->reconnect->data(g_get_monotonic_time());
  };
  source->convert = add(self, "videoconvert");
  GstElement *plain = add(self, "capsfilter");
  source->upload = add(self, "nvvideoconvert");
  source->last = add(self, "capsfilter");
  // One matrix of colours for all that follows: what a card's elements assume of a stream that does not say is not known here.
  gst_util_set_object_arg(G_OBJECT(plain), "caps", "video/x-raw,format=NV12,colorimetry=bt601");
  gst_util_set_object_arg(G_OBJECT(source->last), "caps", "video/x-raw(memory:NVMM),format=NV12");
  gst_element_link_many(source->convert, plain, source->upload, source->last, nullptr);
  GstPad *out = gst_element_get_static_pad(source->last, "src");
  gst_pad_add_probe(out, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
                    on_output, self, nullptr);
  gst_object_unref(out);
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
}

} // namespace

GST_ELEMENT_REGISTER_DEFINE(nvurisrcbin, "nvurisrcbin", GST_RANK_NONE, standin_nvurisrcbin_get_type())

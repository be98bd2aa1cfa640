#include "source.h"

#include <cstring>

#include "clocks.h"
#include "segment_time.h"

namespace sightline::app {
namespace {

/** nvurisrcbin opens a camera again after so many seconds without a picture; resets are three seconds apart over the whole
 * process. */
constexpr guint reconnect_seconds = 5;
constexpr guint latency_ms = 200;
/** Decoder surfaces beyond its own need: batches hold some. */
constexpr guint extra_surfaces = 4;
/** select-rtp-protocol: a mask of UDP 1, multicast 2, TCP 4. */
constexpr int tcp_only = 4;
constexpr int any_protocol = 7;
/** A leap of a file's time stamps that begins its pace anew: another round of it. */
constexpr std::int64_t leap_ns = 2'000'000'000;

} // namespace

void Pace::wait(std::int64_t pts) {
  if (!realtime_) {
    room_.wait();
    return;
  }
  std::unique_lock lock(mutex_);
  const auto now_us = mono_us();
  if (first_us_ == 0 || pts < last_pts_ || pts - last_pts_ > leap_ns) {
    first_us_ = now_us;
    first_pts_ = pts;
  }
  last_pts_ = pts;
  const auto due_us = first_us_ + (pts - first_pts_) / 1000;
  if (due_us > now_us) closing_.wait_for(lock, std::chrono::microseconds(due_us - now_us), [&] { return closed_; });
}

void Pace::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  closing_.notify_all();
}

Source::Source(Camera &camera, const SourceAddress &address, int gpu, MediaSocket *media, Room &room)
    : camera_(camera), address_(address), gpu_(gpu), units_(camera, media), pace_(camera.config.realtime, room) {}

Source::~Source() {
  silence();
}

bool Source::join(GstBin *pipeline, GstElement *mux) {
  const std::string name = "source-" + std::to_string(camera_.source_id);
  GstElement *element = gst_element_factory_make("nvurisrcbin", name.c_str());
  if (element == nullptr) return false;
  element_.reset(static_cast<GstElement *>(gst_object_ref_sink(element)));
  // Before the address: the bin makes rtspsrc when it is set, and credentials are put there.
  g_signal_connect(element, "deep-element-added", G_CALLBACK(on_element), this);
  g_signal_connect(element, "pad-added", G_CALLBACK(on_pad), this);
  g_object_set(element, "source-id", static_cast<gint>(camera_.source_id), "gpu-id", static_cast<guint>(gpu_), "disable-audio",
               TRUE, "num-extra-surfaces", extra_surfaces, nullptr);
  if (camera_.live) {
    // Both intervals: a warning of rtspsrc sets the one to the other.
    g_object_set(element, "rtsp-reconnect-interval", reconnect_seconds, "init-rtsp-reconnect-interval", reconnect_seconds,
                 "rtsp-reconnect-attempts", -1, "select-rtp-protocol", camera_.config.udp ? any_protocol : tcp_only, "latency",
                 latency_ms, nullptr);
  } else {
    if (camera_.config.loop) g_object_set(element, "file-loop", TRUE, nullptr);
  }
  g_object_set(element, "uri", address_.uri.c_str(), nullptr);
  const std::string pad_name = "sink_" + std::to_string(camera_.source_id);
  mux_pad_.reset(gst_element_request_pad_simple(mux, pad_name.c_str()));
  return gst_bin_add(pipeline, element) && mux_pad_ != nullptr;
}

std::optional<std::string> Source::open() {
  gst_element_set_locked_state(element_.get(), FALSE);
  // Not the pipeline's own state: that is PAUSED while another source has yet to give its first picture, and a camera that is
  // opened then would wait in it for pictures that come in PLAYING alone.
  if (gst_element_set_state(element_.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE) return std::nullopt;
  return "the source cannot be opened";
}

void Source::shut() {
  // Locked, so that it does not come back with the pipeline.
  gst_element_set_locked_state(element_.get(), TRUE);
  gst_element_set_state(element_.get(), GST_STATE_NULL);
}

bool Source::owns(GstObject *object) const {
  return element_ != nullptr &&
         (object == GST_OBJECT(element_.get()) || gst_object_has_as_ancestor(object, GST_OBJECT(element_.get())));
}

void Source::silence() {
  silenced_ = true;
  pace_.close();
}

void Source::on_element(GstBin *, GstBin *, GstElement *element, gpointer data) {
  auto *self = static_cast<Source *>(data);
  const GstElementFactory *factory = gst_element_get_factory(element);
  if (factory != nullptr && std::strcmp(GST_OBJECT_NAME(factory), "rtspsrc") == 0 && !self->address_.user.empty())
    g_object_set(element, "user-id", self->address_.user.c_str(), "user-pw", self->address_.password.c_str(), nullptr);
  self->units_.watch(element);
}

void Source::on_pad(GstElement *, GstPad *pad, gpointer data) {
  auto *self = static_cast<Source *>(data);
  const Text name(gst_pad_get_name(pad));
  if (std::strncmp(name.get(), "vsrc", 4) != 0 || gst_pad_is_linked(self->mux_pad_.get())) return;
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_decoded, self, nullptr);
  if (GST_PAD_LINK_FAILED(gst_pad_link(pad, self->mux_pad_.get())))
    GST_ELEMENT_ERROR(self->element_.get(), CORE, NEGOTIATION, ("decoded video cannot go into the multiplexer"), (nullptr));
}

GstPadProbeReturn Source::on_decoded(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  auto *self = static_cast<Source *>(data);
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  const auto pts = running_time(pad, GST_BUFFER_PTS(buffer)).value_or(0);
  Camera &camera = self->camera_;
  if (!camera.live) self->pace_.wait(pts);
  if (self->silenced_) return GST_PAD_PROBE_DROP;
  const auto now_us = mono_us();
  camera.arrivals.add(pts, now_us);
  camera.delivered_us.store(now_us, std::memory_order_relaxed);
  camera.delivered.fetch_add(1, std::memory_order_relaxed);
  camera.ended = false;
  return GST_PAD_PROBE_OK;
}

} // namespace sightline::app

#include "source.h"

#include <cstring>
#include <gst-nvevent.h>

#include "clocks.h"
#include "segment_time.h"

namespace sightline::app {
namespace {

constexpr guint latency_ms = 200;
/** Decoder surfaces beyond its own need: batches hold some. */
constexpr guint extra_surfaces = 4;
/** select-rtp-protocol: a mask of UDP 1, multicast 2, TCP 4. */
constexpr int tcp_only = 4;
constexpr int any_protocol = 7;
/** A leap of a file's time stamps that begins its pace anew: another round of it. */
constexpr std::int64_t leap_ns = 2'000'000'000;

bool is_of(GstObject *object, const ElementRef &element) {
  if (element == nullptr) return false;
  return object == GST_OBJECT(element.get()) || gst_object_has_as_ancestor(object, GST_OBJECT(element.get()));
}

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
  leaving_.reset();
  const std::string name = "source-" + std::to_string(camera_.source_id);
  GstElement *element = gst_element_factory_make("nvurisrcbin", name.c_str());
  if (element == nullptr) return false;
  element_.reset(static_cast<GstElement *>(gst_object_ref_sink(element)));
  const std::string pad_name = "sink_" + std::to_string(camera_.source_id);
  way_ = std::make_shared<Way>(Way{*this, PadRef(gst_element_request_pad_simple(mux, pad_name.c_str()))});
  const auto connect = [&](const char *signal, GCallback call) {
    g_signal_connect_data(
        element, signal, call, new std::shared_ptr<Way>(way_),
        [](gpointer way, GClosure *) { delete static_cast<std::shared_ptr<Way> *>(way); }, GConnectFlags{});
  };
  // Before the address: the bin makes rtspsrc when it is set, and credentials are put there.
  connect("deep-element-added", G_CALLBACK(on_element));
  connect("pad-added", G_CALLBACK(on_pad));
  g_object_set(element, "source-id", static_cast<gint>(camera_.source_id), "gpu-id", static_cast<guint>(gpu_), "disable-audio",
               TRUE, "num-extra-surfaces", extra_surfaces, nullptr);
  if (camera_.live) {
    // Both intervals: a warning of rtspsrc sets the one to the other.
    g_object_set(element, "rtsp-reconnect-interval", reconnect_seconds, "init-rtsp-reconnect-interval", reconnect_seconds,
                 "rtsp-reconnect-attempts", -1, "select-rtp-protocol", camera_.config.udp ? any_protocol : tcp_only, "latency",
                 latency_ms, nullptr);
  }
  g_object_set(element, "uri", address_.uri.c_str(), nullptr);
  if (way_->mux_pad != nullptr && gst_bin_add(pipeline, element)) return true;
  if (way_->mux_pad != nullptr) gst_element_release_request_pad(mux, way_->mux_pad.get());
  way_.reset();
  element_.reset();
  return false;
}

std::optional<std::string> Source::open() {
  opened_us_ = mono_us();
  units_.opened();
  // Not the pipeline's own state: that is PAUSED while another source has yet to give its first picture, and a camera that is
  // opened then would wait in it for pictures that come in PLAYING alone.
  if (gst_element_set_state(element_.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE) return std::nullopt;
  return "the source cannot be opened";
}

std::function<void()> Source::part(GstBin *pipeline, GstElement *mux) {
  leaving_ = std::move(element_);
  // It could not be put together.
  if (leaving_ == nullptr) return [] {};
  const auto share = [](auto *object) {
    return std::shared_ptr<std::remove_pointer_t<decltype(object)>>(static_cast<decltype(object)>(gst_object_ref(object)),
                                                                    [](auto *held) { gst_object_unref(held); });
  };
  // In the order of NVIDIA's samples: the source stops, its input of the multiplexer is let go, then the bin.
  return [bin = share(pipeline), mixer = share(mux), element = share(leaving_.get()), way = std::move(way_)] {
    // Locked, so that it does not come back with the pipeline.
    gst_element_set_locked_state(element.get(), TRUE);
    gst_element_set_state(element.get(), GST_STATE_NULL);
    gst_pad_send_event(way->mux_pad.get(), gst_event_new_flush_stop(FALSE));
    gst_element_release_request_pad(mixer.get(), way->mux_pad.get());
    gst_bin_remove(bin.get(), element.get());
  };
}

void Source::tried() {
  tried_us_ = mono_us();
}

SourcePulse Source::pulse() const {
  return {opened_us_, camera_.alive_us(), tried_us_};
}

bool Source::owns(GstObject *object) const {
  return is_of(object, element_);
}

bool Source::leaves(GstObject *object) const {
  return is_of(object, leaving_);
}

void Source::silence() {
  silenced_ = true;
  pace_.close();
}

void Source::on_element(GstBin *, GstBin *, GstElement *element, gpointer data) {
  Source *self = &(*static_cast<std::shared_ptr<Way> *>(data))->source;
  const GstElementFactory *factory = gst_element_get_factory(element);
  const bool is_camera = factory != nullptr && std::strcmp(GST_OBJECT_NAME(factory), "rtspsrc") == 0;
  if (is_camera) self->tried();
  if (is_camera && !self->address_.user.empty())
    g_object_set(element, "user-id", self->address_.user.c_str(), "user-pw", self->address_.password.c_str(), nullptr);
  self->units_.watch(element);
}

void Source::on_pad(GstElement *element, GstPad *pad, gpointer data) {
  const Way &way = **static_cast<std::shared_ptr<Way> *>(data);
  const Text name(gst_pad_get_name(pad));
  if (std::strncmp(name.get(), "vsrc", 4) != 0 || gst_pad_is_linked(way.mux_pad.get())) return;
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_decoded, &way.source, nullptr);
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event, &way.source, nullptr);
  if (GST_PAD_LINK_FAILED(gst_pad_link(pad, way.mux_pad.get())))
    GST_ELEMENT_ERROR(element, CORE, NEGOTIATION, ("decoded video cannot go into the multiplexer"), (nullptr));
}

/** A reset of the bin is told downstream. */
GstPadProbeReturn Source::on_event(GstPad *, GstPadProbeInfo *info, gpointer data) {
  const auto type = static_cast<unsigned>(GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)));
  if (type == static_cast<unsigned>(GST_NVEVENT_STREAM_RESET)) static_cast<Source *>(data)->tried();
  return GST_PAD_PROBE_OK;
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

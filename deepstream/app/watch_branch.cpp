#include "watch_branch.h"

#include <future>
#include <gst/video/video.h>

#include "clocks.h"
#include "encoders.h"

namespace sightline::app {
namespace {

constexpr std::int64_t retry_us = 5'000'000;
constexpr auto unlink_within = std::chrono::seconds(2);

void set_leaky(GstElement *queue) {
  g_object_set(queue, "max-size-buffers", 2U, "max-size-bytes", 0U, "max-size-time", guint64{0}, nullptr);
  gst_util_set_object_arg(G_OBJECT(queue), "leaky", "downstream");
}

void set_caps(GstElement *filter, const char *text) {
  const CapsRef caps(gst_caps_from_string(text));
  g_object_set(filter, "caps", caps.get(), nullptr);
}

} // namespace

WatchBranch::WatchBranch(const Settings &settings, BatchProbe &probe, LabelStore &labels, MediaSocket &media, Log &log)
    : settings_(settings), probe_(probe), labels_(labels), media_(media), log_(log),
      hardware_(settings.encoder.kind != EncoderKind::software) {}

WatchBranch::~WatchBranch() {
  take_off();
}

void WatchBranch::attach(GstBin *pipeline, GstElement *tee) {
  pipeline_ = pipeline;
  tee_ = tee;
}

void WatchBranch::want(std::size_t camera, bool annotated) {
  if (settings_.encoder.kind == EncoderKind::none) return;
  const bool changed = annotated ? wanted_.insert(camera).second : wanted_.erase(camera) > 0;
  if (changed)
    rebuild();
  else if (annotated)
    force_keys();
}

bool WatchBranch::owns(GstObject *object) const {
  return bin_ != nullptr && (object == GST_OBJECT(bin_.get()) || gst_object_has_as_ancestor(object, GST_OBJECT(bin_.get())));
}

void WatchBranch::rebuild() {
  take_off();
  retry_at_us_ = 0;
  if (wanted_.empty() || pipeline_ == nullptr) return;
  if (!build()) failed("its elements cannot be put together");
}

void WatchBranch::failed(const std::string &reason) {
  take_off();
  const bool falls_back = hardware_ && settings_.encoder.kind == EncoderKind::automatic;
  log_.warn(falls_back ? "annotated video cannot be encoded by the card, it is encoded by the processor from now on"
                       : "annotated video cannot be made",
            {{"reason", reason}, {"retryInMs", falls_back ? 0 : retry_us / 1000}});
  if (falls_back) hardware_ = false;
  retry_at_us_ = falls_back ? mono_us() : mono_us() + retry_us;
}

void WatchBranch::tick() {
  if (broken_ && bin_ != nullptr) failed("it does not take pictures");
  if (retry_at_us_ != 0 && mono_us() >= retry_at_us_) rebuild();
}

void WatchBranch::force_keys() {
  if (bin_ == nullptr) return;
  for (const auto &output : outputs_) {
    const std::string name = "units-" + std::to_string(output.first);
    const ElementRef sink(gst_bin_get_by_name(GST_BIN(bin_.get()), name.c_str()));
    if (sink != nullptr)
      gst_element_send_event(sink.get(), gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
  }
}

std::uint64_t WatchBranch::dropped(std::size_t camera) const {
  const auto before = dropped_before_.find(camera);
  const auto output = outputs_.find(camera);
  return (before == dropped_before_.end() ? 0 : before->second) + (output == outputs_.end() ? 0 : output->second->dropped());
}

GstElement *WatchBranch::add(const char *factory, const std::string &name) {
  GstElement *element = gst_element_factory_make(factory, name.c_str());
  if (element != nullptr && !gst_bin_add(GST_BIN(bin_.get()), element)) return nullptr;
  return element;
}

bool WatchBranch::build() {
  broken_ = false;
  bin_.reset(static_cast<GstElement *>(gst_object_ref_sink(gst_bin_new("watch"))));
  GstElement *queue = add("queue", "watch-queue");
  GstElement *demux = add("nvstreamdemux", "watch-demux");
  if (queue == nullptr || demux == nullptr || !gst_element_link(queue, demux)) return false;
  set_leaky(queue);
  for (const auto camera : wanted_)
    if (!add_camera(demux, camera)) return false;
  const PadRef first(gst_element_get_static_pad(queue, "sink"));
  GstPad *entrance = gst_ghost_pad_new("sink", first.get());
  gst_pad_set_active(entrance, TRUE);
  if (!gst_element_add_pad(bin_.get(), entrance)) return false;
  if (!gst_bin_add(pipeline_, bin_.get())) return false;
  if (!gst_element_sync_state_with_parent(bin_.get())) return false;
  tee_pad_.reset(gst_element_request_pad_simple(tee_, "src_%u"));
  if (tee_pad_ == nullptr) return false;
  const int types = GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM;
  gst_pad_add_probe(tee_pad_.get(), static_cast<GstPadProbeType>(types), on_tee, this, nullptr);
  return !GST_PAD_LINK_FAILED(gst_pad_link(tee_pad_.get(), entrance));
}

bool WatchBranch::add_camera(GstElement *demux, std::size_t camera) {
  const unsigned source = settings_.cameras[camera].source_id;
  ProbedCamera *probed = probe_.camera(source);
  const auto number = std::to_string(camera);
  const char *encoder_name = hardware_ ? hardware_encoder : software_encoder();
  GstElement *queue = add("queue", "queue-" + number);
  GstElement *convert = add("nvvideoconvert", "convert-" + number);
  GstElement *drawn = add("capsfilter", "drawn-" + number);
  GstElement *osd = add("nvdsosd", "osd-" + number);
  GstElement *deliver = add("nvvideoconvert", "deliver-" + number);
  GstElement *raw = add("capsfilter", "raw-" + number);
  GstElement *encoder = add(encoder_name, "encoder-" + number);
  GstElement *parse = add("h264parse", "parse-" + number);
  GstElement *written = add("capsfilter", "written-" + number);
  GstElement *sink = add("appsink", "units-" + number);
  for (const GstElement *element : {queue, convert, drawn, osd, deliver, raw, encoder, parse, written, sink})
    if (element == nullptr || probed == nullptr) return false;
  set_leaky(queue);
  // RGBA is what nvdsosd draws on in every mode.
  set_caps(drawn, "video/x-raw(memory:NVMM), format=RGBA");
  set_caps(raw, hardware_ ? "video/x-raw(memory:NVMM), format=NV12" : "video/x-raw, format=I420");
  set_caps(written, "video/x-h264, stream-format=byte-stream, alignment=au");
  set_encoder(encoder, settings_.encoder.bitrate_kbps);
  g_object_set(parse, "config-interval", -1, nullptr);
  g_object_set(sink, "sync", FALSE, "async", FALSE, "max-buffers", 32U, "drop", TRUE, nullptr);
  if (!gst_element_link_many(queue, convert, drawn, osd, deliver, raw, encoder, parse, written, sink, nullptr)) return false;
  auto output = std::make_unique<EncodedOutput>(*probed, labels_, media_);
  const PadRef before_drawing(gst_element_get_static_pad(osd, "sink"));
  output->attach(before_drawing.get(), GST_APP_SINK(sink));
  outputs_[camera] = std::move(output);
  const PadRef from(gst_element_request_pad_simple(demux, ("src_" + std::to_string(source)).c_str()));
  const PadRef to(gst_element_get_static_pad(queue, "sink"));
  return from != nullptr && !GST_PAD_LINK_FAILED(gst_pad_link(from.get(), to.get()));
}

/** An error of the branch must not go up through the tee, where it would stop the cameras. */
GstPadProbeReturn WatchBranch::on_tee(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  auto *self = static_cast<WatchBranch *>(data);
  if (self->broken_) return GST_PAD_PROBE_DROP;
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) == 0) return GST_PAD_PROBE_OK;
  const PadRef entrance(gst_pad_get_peer(pad));
  if (entrance == nullptr) return GST_PAD_PROBE_DROP;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  GST_PAD_PROBE_INFO_DATA(info) = nullptr;
  const auto flow = gst_pad_chain(entrance.get(), buffer);
  if (flow != GST_FLOW_OK && flow != GST_FLOW_FLUSHING) self->broken_ = true;
  GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_OK;
  return GST_PAD_PROBE_HANDLED;
}

void WatchBranch::take_off() {
  if (tee_pad_ != nullptr) {
    // Between two buffers, by whichever thread is there.
    std::promise<void> unlinked;
    auto done = unlinked.get_future();
    gst_pad_add_probe(
        tee_pad_.get(), GST_PAD_PROBE_TYPE_IDLE,
        [](GstPad *pad, GstPadProbeInfo *, gpointer promise) {
          const PadRef entrance(gst_pad_get_peer(pad));
          if (entrance != nullptr) gst_pad_unlink(pad, entrance.get());
          static_cast<std::promise<void> *>(promise)->set_value();
          return GST_PAD_PROBE_REMOVE;
        },
        &unlinked, nullptr);
    if (done.wait_for(unlink_within) != std::future_status::ready) {
      // A branch whose queue drops blocks nobody: the graph is stuck elsewhere, and the watchdog ends it.
      broken_ = true;
      done.wait();
    }
    gst_element_release_request_pad(tee_, tee_pad_.get());
    tee_pad_.reset();
  }
  if (bin_ != nullptr) {
    gst_element_set_state(bin_.get(), GST_STATE_NULL);
    if (GST_OBJECT_PARENT(bin_.get()) != nullptr) gst_bin_remove(pipeline_, bin_.get());
    bin_.reset();
  }
  for (const auto &[camera, output] : outputs_) dropped_before_[camera] += output->dropped();
  outputs_.clear();
  broken_ = false;
}

} // namespace sightline::app

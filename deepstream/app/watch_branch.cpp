#include "watch_branch.h"

#include <future>
#include <gst/video/video.h>

#include "clocks.h"

namespace sightline::app {
namespace {

constexpr std::int64_t retryUs = 5'000'000;
/** Frames between key frames, about two seconds. */
constexpr guint keyEvery = 50;
constexpr guint64 kbit = 1000;
constexpr auto unlinkWithin = std::chrono::seconds(2);

bool hasFactory(const char *name) {
  GstElementFactory *factory = gst_element_factory_find(name);
  if (factory == nullptr) return false;
  gst_object_unref(factory);
  return true;
}

void setLeaky(GstElement *queue) {
  g_object_set(queue, "max-size-buffers", 2U, "max-size-bytes", 0U, "max-size-time", guint64{0}, nullptr);
  gst_util_set_object_arg(G_OBJECT(queue), "leaky", "downstream");
}

void setCaps(GstElement *filter, const char *text) {
  const CapsRef caps(gst_caps_from_string(text));
  g_object_set(filter, "caps", caps.get(), nullptr);
}

} // namespace

WatchBranch::WatchBranch(const Settings &settings, BatchProbe &probe, LabelStore &labels, MediaSocket &media, Log &log)
    : settings_(settings), probe_(probe), labels_(labels), media_(media), log_(log),
      hardware_(settings.encoder.kind != EncoderKind::software) {}

WatchBranch::~WatchBranch() {
  takeOff();
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
    forceKeys();
}

bool WatchBranch::owns(GstObject *object) const {
  return bin_ != nullptr && (object == GST_OBJECT(bin_.get()) || gst_object_has_as_ancestor(object, GST_OBJECT(bin_.get())));
}

void WatchBranch::rebuild() {
  takeOff();
  retryAtUs_ = 0;
  if (wanted_.empty() || pipeline_ == nullptr) return;
  if (!build()) failed("its elements cannot be put together");
}

void WatchBranch::failed(const std::string &reason) {
  takeOff();
  const bool fallsBack = hardware_ && settings_.encoder.kind == EncoderKind::automatic;
  log_.warn(fallsBack ? "annotated video cannot be encoded by the card, it is encoded by the processor from now on"
                      : "annotated video cannot be made",
            {{"reason", reason}, {"retryInMs", fallsBack ? 0 : retryUs / 1000}});
  if (fallsBack) hardware_ = false;
  retryAtUs_ = fallsBack ? monoUs() : monoUs() + retryUs;
}

void WatchBranch::tick() {
  if (broken_ && bin_ != nullptr) failed("it does not take pictures");
  if (retryAtUs_ != 0 && monoUs() >= retryAtUs_) rebuild();
}

void WatchBranch::forceKeys() {
  if (bin_ == nullptr) return;
  for (const auto &output : outputs_) {
    const std::string name = "units-" + std::to_string(output.first);
    const ElementRef sink(gst_bin_get_by_name(GST_BIN(bin_.get()), name.c_str()));
    if (sink != nullptr)
      gst_element_send_event(sink.get(), gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
  }
}

std::uint64_t WatchBranch::dropped(std::size_t camera) const {
  const auto before = droppedBefore_.find(camera);
  const auto output = outputs_.find(camera);
  return (before == droppedBefore_.end() ? 0 : before->second) + (output == outputs_.end() ? 0 : output->second->dropped());
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
  setLeaky(queue);
  for (const auto camera : wanted_)
    if (!addCamera(demux, camera)) return false;
  const PadRef first(gst_element_get_static_pad(queue, "sink"));
  GstPad *entrance = gst_ghost_pad_new("sink", first.get());
  gst_pad_set_active(entrance, TRUE);
  if (!gst_element_add_pad(bin_.get(), entrance)) return false;
  if (!gst_bin_add(pipeline_, static_cast<GstElement *>(gst_object_ref(bin_.get())))) return false;
  if (!gst_element_sync_state_with_parent(bin_.get())) return false;
  teePad_.reset(gst_element_request_pad_simple(tee_, "src_%u"));
  if (teePad_ == nullptr) return false;
  const int types = GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM;
  gst_pad_add_probe(teePad_.get(), static_cast<GstPadProbeType>(types), onTee, this, nullptr);
  return !GST_PAD_LINK_FAILED(gst_pad_link(teePad_.get(), entrance));
}

bool WatchBranch::addCamera(GstElement *demux, std::size_t camera) {
  const unsigned source = settings_.cameras[camera].sourceId;
  ProbedCamera *probed = probe_.camera(source);
  const auto number = std::to_string(camera);
  const char *encoderName = hardware_ ? "nvv4l2h264enc" : hasFactory("x264enc") ? "x264enc" : "openh264enc";
  GstElement *queue = add("queue", "queue-" + number);
  GstElement *convert = add("nvvideoconvert", "convert-" + number);
  GstElement *drawn = add("capsfilter", "drawn-" + number);
  GstElement *osd = add("nvdsosd", "osd-" + number);
  GstElement *deliver = add("nvvideoconvert", "deliver-" + number);
  GstElement *raw = add("capsfilter", "raw-" + number);
  GstElement *encoder = add(encoderName, "encoder-" + number);
  GstElement *parse = add("h264parse", "parse-" + number);
  GstElement *written = add("capsfilter", "written-" + number);
  GstElement *sink = add("appsink", "units-" + number);
  for (const GstElement *element : {queue, convert, drawn, osd, deliver, raw, encoder, parse, written, sink})
    if (element == nullptr || probed == nullptr) return false;
  setLeaky(queue);
  // RGBA is what nvdsosd draws on in every mode.
  setCaps(drawn, "video/x-raw(memory:NVMM), format=RGBA");
  setCaps(raw, hardware_ ? "video/x-raw(memory:NVMM), format=NV12" : "video/x-raw, format=I420");
  setCaps(written, "video/x-h264, stream-format=byte-stream, alignment=au");
  const auto bitsPerSecond = static_cast<guint>(settings_.encoder.bitrateKbps * kbit);
  if (hardware_) {
    g_object_set(encoder, "bitrate", bitsPerSecond, "iframeinterval", keyEvery, "idrinterval", keyEvery, "insert-sps-pps", TRUE,
                 nullptr);
  } else if (hasFactory("x264enc")) {
    g_object_set(encoder, "bitrate", static_cast<guint>(settings_.encoder.bitrateKbps), "key-int-max", keyEvery, "bframes", 0U,
                 nullptr);
    gst_util_set_object_arg(G_OBJECT(encoder), "tune", "zerolatency");
    gst_util_set_object_arg(G_OBJECT(encoder), "speed-preset", "ultrafast");
  } else {
    g_object_set(encoder, "bitrate", bitsPerSecond, "gop-size", keyEvery, nullptr);
  }
  g_object_set(parse, "config-interval", -1, nullptr);
  g_object_set(sink, "sync", FALSE, "async", FALSE, "max-buffers", 32U, "drop", TRUE, nullptr);
  if (!gst_element_link_many(queue, convert, drawn, osd, deliver, raw, encoder, parse, written, sink, nullptr)) return false;
  auto output = std::make_unique<EncodedOutput>(*probed, labels_, media_);
  const PadRef beforeDrawing(gst_element_get_static_pad(osd, "sink"));
  output->attach(beforeDrawing.get(), GST_APP_SINK(sink));
  outputs_[camera] = std::move(output);
  const PadRef from(gst_element_request_pad_simple(demux, ("src_" + std::to_string(source)).c_str()));
  const PadRef to(gst_element_get_static_pad(queue, "sink"));
  return from != nullptr && !GST_PAD_LINK_FAILED(gst_pad_link(from.get(), to.get()));
}

/** An error of the branch must not go up through the tee, where it would stop the cameras. */
GstPadProbeReturn WatchBranch::onTee(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
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

void WatchBranch::takeOff() {
  if (teePad_ != nullptr) {
    // Between two buffers, by whichever thread is there.
    std::promise<void> unlinked;
    auto done = unlinked.get_future();
    gst_pad_add_probe(
        teePad_.get(), GST_PAD_PROBE_TYPE_IDLE,
        [](GstPad *pad, GstPadProbeInfo *, gpointer promise) {
          const PadRef entrance(gst_pad_get_peer(pad));
          if (entrance != nullptr) gst_pad_unlink(pad, entrance.get());
          static_cast<std::promise<void> *>(promise)->set_value();
          return GST_PAD_PROBE_REMOVE;
        },
        &unlinked, nullptr);
    if (done.wait_for(unlinkWithin) != std::future_status::ready) {
      // A branch whose queue drops blocks nobody: the graph is stuck elsewhere, and the watchdog ends it.
      broken_ = true;
      done.wait();
    }
    gst_element_release_request_pad(tee_, teePad_.get());
    teePad_.reset();
  }
  if (bin_ != nullptr) {
    gst_element_set_state(bin_.get(), GST_STATE_NULL);
    if (GST_OBJECT_PARENT(bin_.get()) != nullptr) gst_bin_remove(pipeline_, bin_.get());
    bin_.reset();
  }
  for (const auto &[camera, output] : outputs_) droppedBefore_[camera] += output->dropped();
  outputs_.clear();
  broken_ = false;
}

} // namespace sightline::app

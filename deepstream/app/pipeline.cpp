#include "pipeline.h"

#include <algorithm>

#include "addresses.h"
#include "bus_text.h"
#include "clocks.h"
#include "parser_reports.h"

namespace sightline::app {
namespace {

/** The event that changes `interval` of running detectors. */
constexpr int interval_update = GST_EVENT_MAKE_TYPE(407, GST_EVENT_TYPE_DOWNSTREAM | GST_EVENT_TYPE_SERIALIZED);

std::string factory_of(GstObject *object) {
  if (object == nullptr || !GST_IS_ELEMENT(object)) return "";
  const GstElementFactory *factory = gst_element_get_factory(GST_ELEMENT(object));
  return factory == nullptr ? "" : GST_OBJECT_NAME(factory);
}

/** Absent for a buffer without pictures, which is no batch. */
std::optional<BatchKey> key_of(const NvDsBatchMeta *batch) {
  if (batch == nullptr || batch->frame_meta_list == nullptr) return std::nullopt;
  const auto *first = static_cast<const NvDsFrameMeta *>(batch->frame_meta_list->data);
  return BatchKey{first->source_id, first->buf_pts};
}

} // namespace

Failure failure_of(const std::string &factory, const std::string &text) {
  if (holds(text, never_masked)) return {Exit::settings, text};
  if (factory == "nvinferserver") {
    if (holds(text, "arsing failed") || holds(text, "onfig file") || holds(text, "onfiguration file"))
      return {Exit::settings, text};
    return {Exit::unavailable, text};
  }
  if (holds(text, "InferTrtIsContext") || holds(text, "inference failed with unique-id")) return {Exit::unavailable, text};
  return {Exit::software, text};
}

Pipeline::Pipeline(const Settings &settings, BatchProbe &probe, Log &log) : settings_(settings), probe_(probe), log_(log) {}

Pipeline::~Pipeline() {
  stop();
}

GstElement *Pipeline::add(const char *factory, const std::string &name) {
  GstElement *element = gst_element_factory_make(factory, name.c_str());
  if (element == nullptr) {
    if (missing_.empty()) missing_ = std::string("there is no GStreamer element ") + factory + " in this image";
    return nullptr;
  }
  gst_bin_add(GST_BIN(pipeline_.get()), element);
  return element;
}

std::optional<Failure> Pipeline::build(bool live) {
  pipeline_.reset(static_cast<GstElement *>(gst_object_ref_sink(gst_pipeline_new("sightline"))));
  bus_.reset(gst_element_get_bus(pipeline_.get()));
  mux_ = add("nvstreammux", "mux");
  GstElement *queue = add("queue", "batches");
  std::vector<GstElement *> chain{mux_, queue};
  for (const auto &detector : settings_.detectors) {
    GstElement *element = add("nvinferserver", "detector-" + std::to_string(detector.unique_id));
    if (element != nullptr)
      g_object_set(element, "config-file-path", detector.config.c_str(), "unique-id", static_cast<guint>(detector.unique_id),
                   nullptr);
    detectors_.push_back(element);
    chain.push_back(element);
  }
  GstElement *tracker = add("nvtracker", "tracker");
  tee_ = add("tee", "tee");
  GstElement *last = add("queue", "last");
  GstElement *sink = add("fakesink", "sink");
  chain.insert(chain.end(), {tracker, tee_, last, sink});
  if (!missing_.empty()) return Failure{Exit::software, missing_};

  unsigned slots = 0;
  for (const auto &camera : settings_.cameras) slots = std::max(slots, camera.source_id + 1);
  g_object_set(mux_, "batch-size", slots, "width", static_cast<guint>(settings_.mux.width), "height",
               static_cast<guint>(settings_.mux.height), "batched-push-timeout", settings_.mux.batched_push_timeout_us,
               "live-source", static_cast<gboolean>(live), "enable-padding", TRUE, "buffer-pool-size",
               static_cast<guint>(settings_.mux.buffer_pool_size), "gpu-id", static_cast<guint>(settings_.gpu), "attach-sys-ts",
               FALSE, "drop-pipeline-eos", TRUE, nullptr);
  // A live picture that waits is worth less than the next; a file's are all looked at.
  g_object_set(queue, "max-size-buffers", 2U, "max-size-bytes", 0U, "max-size-time", guint64{0}, nullptr);
  if (live) gst_util_set_object_arg(G_OBJECT(queue), "leaky", "downstream");
  g_object_set(tracker, "ll-lib-file", settings_.tracker.library.c_str(), "ll-config-file", settings_.tracker.config.c_str(),
               "tracker-width", static_cast<guint>(settings_.tracker.width), "tracker-height",
               static_cast<guint>(settings_.tracker.height), "gpu-id", static_cast<guint>(settings_.gpu), "display-tracking-id",
               FALSE, nullptr);
  g_object_set(tee_, "allow-not-linked", TRUE, nullptr);
  g_object_set(last, "max-size-buffers", 1U, "max-size-bytes", 0U, "max-size-time", guint64{0}, nullptr);
  g_object_set(sink, "sync", FALSE, "async", FALSE, nullptr);
  for (std::size_t i = 0; i + 1 < chain.size(); i += 1)
    if (!gst_element_link(chain[i], chain[i + 1]))
      return Failure{Exit::software, std::string("GStreamer does not link ") + GST_OBJECT_NAME(chain[i]) + " to " +
                                         GST_OBJECT_NAME(chain[i + 1])};
  const PadRef tracked(gst_element_get_static_pad(tracker, "src"));
  probe_.attach(tracked.get());
  const PadRef batches(gst_element_get_static_pad(detectors_.front(), "sink"));
  if (live) {
    gate_ = std::make_unique<DetectorGate>(settings_.detectors.size());
    // First of all probes: what is left out is neither masked nor looked at.
    gst_pad_add_probe(batches.get(), GST_PAD_PROBE_TYPE_BUFFER, on_gate, this, nullptr);
    gst_pad_add_probe(tracked.get(), GST_PAD_PROBE_TYPE_BUFFER, on_through, this, nullptr);
  }
  gst_pad_add_probe(batches.get(), GST_PAD_PROBE_TYPE_BUFFER, on_batch, this, nullptr);
  masking_ = std::make_unique<Masking>(settings_, probe_, slots);
  if (masking_->wanted()) masking_->attach(batches.get(), pipeline_.get());
  return std::nullopt;
}

std::optional<Failure> Pipeline::start(bool live, WatchBranch *watch, Events events) {
  events_ = std::move(events);
  watch_ = watch;
  if (auto failure = build(live)) return failure;
  if (watch_ != nullptr) watch_->attach(GST_BIN(pipeline_.get()), tee_);
  const auto change = gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  // The reasons lie on the bus already, and nothing has read them.
  auto failure = pending_failure();
  if (change == GST_STATE_CHANGE_FAILURE) {
    return failure ? failure
                   : std::optional(Failure{Exit::software, "GStreamer does not start the pipeline and gives no reason"});
  }
  if (failure) return failure;
  watch_id_ = gst_bus_add_watch(bus_.get(), on_message, this);
  return std::nullopt;
}

std::optional<Failure> Pipeline::pending_failure() {
  std::optional<Failure> first;
  while (const MessageRef message{gst_bus_pop_filtered(bus_.get(), GST_MESSAGE_ERROR)}) {
    const auto text = bus_text(message.get());
    log_.error("GStreamer reports an error", {{"element", GST_MESSAGE_SRC_NAME(message.get())}, {"reason", text}});
    const auto failure = failure_at(GST_MESSAGE_SRC(message.get()), short_text(text));
    if (!first) first = failure;
  }
  return first;
}

/** With the detector's name; what its parser could not read says more than the element, where that is what ended it. */
Failure Pipeline::failure_at(GstObject *from, const std::string &text) const {
  Failure failure = failure_of(factory_of(from), text);
  for (std::size_t i = 0; i < detectors_.size(); i += 1) {
    if (from == nullptr || from != GST_OBJECT(detectors_[i])) continue;
    const auto &detector = settings_.detectors[i];
    const auto report = parser_report(detector);
    failure.reason = "detector " + detector.model + ": " + (report && report->refused ? report->problem : text);
  }
  return failure;
}

std::optional<std::string> Pipeline::open(Source &source) {
  if (std::find(sources_.begin(), sources_.end(), &source) == sources_.end()) sources_.push_back(&source);
  if (!source.join(GST_BIN(pipeline_.get()), mux_)) return "its elements cannot be put together";
  return source.open();
}

gboolean Pipeline::on_message(GstBus *, GstMessage *message, gpointer self) {
  static_cast<Pipeline *>(self)->take_message(message);
  return G_SOURCE_CONTINUE;
}

Source *Pipeline::source_of(GstObject *object) {
  for (Source *source : sources_)
    if (source->owns(object) || source->leaves(object)) return source;
  return nullptr;
}

void Pipeline::take_message(GstMessage *message) {
  const auto type = GST_MESSAGE_TYPE(message);
  if (type != GST_MESSAGE_ERROR && type != GST_MESSAGE_WARNING) return;
  const auto text = bus_text(message);
  GstObject *from = GST_MESSAGE_SRC(message);
  if (Source *source = source_of(from)) {
    if (source->leaves(from)) {
      log_.debug("GStreamer reports of a source that is taken down",
                 {{"camera", source->camera().config.camera}, {"reason", text}});
      return;
    }
    source->tried();
    log_.debug("GStreamer reports of a source", {{"camera", source->camera().config.camera}, {"reason", text}});
    if (type == GST_MESSAGE_ERROR)
      events_.source_failed(source->camera(), words_of(text));
    else
      events_.source_warned(source->camera(), words_of(text));
  } else if (type == GST_MESSAGE_WARNING) {
    // The multiplexer has one for every second without sources.
    log_.debug("GStreamer warns", {{"element", GST_MESSAGE_SRC_NAME(message)}, {"reason", text}});
  } else if (watch_ != nullptr && watch_->owns(from)) {
    watch_->failed(text);
  } else if (from != nullptr && from != GST_OBJECT(pipeline_.get()) &&
             !gst_object_has_as_ancestor(from, GST_OBJECT(pipeline_.get()))) {
    // Of a branch that was given up before its error was read here.
    log_.warn("GStreamer reports an error of what is taken off already",
              {{"element", GST_MESSAGE_SRC_NAME(message)}, {"reason", text}});
  } else {
    log_.error("GStreamer reports an error", {{"element", GST_MESSAGE_SRC_NAME(message)}, {"reason", text}});
    events_.failed(failure_at(from, short_text(text)));
  }
}

GstPadProbeReturn Pipeline::on_gate(GstPad *, GstPadProbeInfo *info, gpointer data) {
  auto *self = static_cast<Pipeline *>(data);
  NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(GST_PAD_PROBE_INFO_BUFFER(info));
  const auto key = key_of(batch);
  if (!key) return GST_PAD_PROBE_OK;
  const bool enters = self->gate_->enter(*key, self->interval_, mono_us());
  for (GList *at = batch->frame_meta_list; at != nullptr; at = at->next) {
    const auto *frame = static_cast<NvDsFrameMeta *>(at->data);
    ProbedCamera *probed = self->probe_.camera(frame->source_id);
    if (probed != nullptr) probed->camera.reach_gate(static_cast<std::int64_t>(frame->buf_pts), frame->frame_num, enters);
  }
  return enters ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

GstPadProbeReturn Pipeline::on_through(GstPad *, GstPadProbeInfo *info, gpointer data) {
  const auto key = key_of(gst_buffer_get_nvds_batch_meta(GST_PAD_PROBE_INFO_BUFFER(info)));
  if (key) static_cast<Pipeline *>(data)->gate_->leave(*key, mono_us());
  return GST_PAD_PROBE_OK;
}

/**
 * The element reads its property when it starts; after that an event tells it. It goes through all detectors between the same
 * two batches, so that they look at the same ones. From another thread it would wait for the stream, which may hang.
 */
GstPadProbeReturn Pipeline::on_batch(GstPad *pad, GstPadProbeInfo *, gpointer data) {
  auto *self = static_cast<Pipeline *>(data);
  const unsigned wanted = self->interval_;
  if (wanted == self->told_interval_) return GST_PAD_PROBE_OK;
  self->told_interval_ = wanted;
  GstStructure *structure =
      gst_structure_new("nv-infer-interval-update", "stream_id", G_TYPE_STRING, "0", "interval", G_TYPE_UINT, wanted, nullptr);
  gst_pad_send_event(pad, gst_event_new_custom(static_cast<GstEventType>(interval_update), structure));
  return GST_PAD_PROBE_OK;
}

void Pipeline::stop() {
  if (pipeline_ == nullptr) return;
  if (watch_id_ != 0) g_source_remove(watch_id_);
  watch_id_ = 0;
  for (Source *source : sources_) source->silence();
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  bus_.reset();
  pipeline_.reset();
  sources_.clear();
}

} // namespace sightline::app

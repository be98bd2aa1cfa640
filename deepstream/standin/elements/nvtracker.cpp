// nvtracker: ids on the objects of a batch. What it adds, takes away and rewrites is what the card's element does.
#include <set>
#include <sstream>
#include <string>

#include <dlfcn.h>
#include <gst/base/gstbasetransform.h>

#include "elements.h"
#include "gst-nvevent.h"
#include "gstnvdsmeta.h"
#include "output_queue.h"
#include "surface.h"
#include "tracking/marking.h"

GST_DEBUG_CATEGORY_STATIC(nvtracker_debug);
#define GST_CAT_DEFAULT nvtracker_debug

namespace {

struct TrackerProperties {
  std::string library;
  std::string config;
  guint width = 960;
  guint height = 544;
  guint gpu_id = 0;
  guint user_meta_pool = 32;
  guint id_reset_mode = 1;
  bool display_id = true;
  std::string sub_batches;
  std::string class_ids;
};

constexpr guint kNewIdsAfterReset = 1;
constexpr guint kFromZeroAfterEos = 2;

struct Tracking {
  explicit Tracking(const standin::TrackerSettings &settings, standin::MarkingSettings marking)
      : streams(settings), marker(std::move(marking)) {}
  standin::Streams streams;
  standin::Marker marker;
  /** Last: its thread ends before anything else goes. */
  standin::OutputQueue queue;
};

struct Tracker {
  GstBaseTransform parent;
  TrackerProperties *properties;
  Tracking *tracking;
};
struct TrackerClass {
  GstBaseTransformClass parent;
};

enum Property {
  kLibrary = 1,
  kConfig,
  kWidth,
  kHeight,
  kGpuId,
  kDisplayId,
  kIdResetMode,
  kUserMetaPool,
  kSubBatches,
  kClassIds,
};

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(memory:NVMM), format=(string){ I420, NV12, RGBA }"));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(memory:NVMM), format=(string){ I420, NV12, RGBA }"));

G_DEFINE_TYPE(Tracker, standin_tracker, GST_TYPE_BASE_TRANSFORM)

Tracker *self_of(gpointer object) {
  return static_cast<Tracker *>(object);
}

std::string text_of(const GValue *value) {
  const gchar *given = g_value_get_string(value);
  return given == nullptr ? "" : given;
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  TrackerProperties &own = *self_of(object)->properties;
  switch (id) {
  case kLibrary:
    own.library = text_of(value);
    break;
  case kConfig:
    own.config = text_of(value);
    break;
  case kWidth:
    own.width = g_value_get_uint(value);
    break;
  case kHeight:
    own.height = g_value_get_uint(value);
    break;
  case kGpuId:
    own.gpu_id = g_value_get_uint(value);
    break;
  case kDisplayId:
    own.display_id = g_value_get_boolean(value) != FALSE;
    break;
  case kIdResetMode:
    own.id_reset_mode = g_value_get_uint(value);
    break;
  case kUserMetaPool:
    own.user_meta_pool = g_value_get_uint(value);
    break;
  case kSubBatches:
    own.sub_batches = text_of(value);
    break;
  case kClassIds:
    own.class_ids = text_of(value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    break;
  }
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  const TrackerProperties &own = *self_of(object)->properties;
  switch (id) {
  case kLibrary:
    g_value_set_string(value, own.library.c_str());
    break;
  case kConfig:
    g_value_set_string(value, own.config.c_str());
    break;
  case kWidth:
    g_value_set_uint(value, own.width);
    break;
  case kHeight:
    g_value_set_uint(value, own.height);
    break;
  case kGpuId:
    g_value_set_uint(value, own.gpu_id);
    break;
  case kDisplayId:
    g_value_set_boolean(value, own.display_id ? TRUE : FALSE);
    break;
  case kIdResetMode:
    g_value_set_uint(value, own.id_reset_mode);
    break;
  case kUserMetaPool:
    g_value_set_uint(value, own.user_meta_pool);
    break;
  case kSubBatches:
    g_value_set_string(value, own.sub_batches.c_str());
    break;
  case kClassIds:
    g_value_set_string(value, own.class_ids.c_str());
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    break;
  }
}

/** Opened and looked into as on the card; the tracker itself is the stand-in's. */
bool has_library(const std::string &path) {
  void *library = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    GST_ERROR("gstnvtracker: Failed to open low-level lib at %s\n", path.c_str());
    if (!path.empty()) GST_ERROR(" dlopen error: %s\n", dlerror());
    return false;
  }
  bool all = true;
  for (const char *name : {"NvMOT_Init", "NvMOT_DeInit", "NvMOT_Process"}) {
    if (dlsym(library, name) != nullptr) continue;
    GST_ERROR("gstnvtracker: Failed to load %s\n", name);
    all = false;
  }
  dlclose(library);
  return all;
}

std::set<gint> class_ids_of(const std::string &text) {
  std::set<gint> ids;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ';');)
    if (!word.empty()) ids.insert(std::atoi(word.c_str()));
  return ids;
}

/** As the card's: what is wrong is in the log alone. The state change fails, and nothing is on the bus. */
gboolean start(GstBaseTransform *base) {
  Tracker *self = self_of(base);
  const TrackerProperties &own = *self->properties;
  const standin::TrackerSettingsRead read = standin::read_tracker_settings(own.config);
  if (read.error.has_value())
    GST_ERROR("gstnvtracker: Got error querying low-level tracker for caps: %s\n", read.error->c_str());
  if (!own.sub_batches.empty()) GST_ERROR("The stand-in of nvtracker does not do sub-batches");
  if (!has_library(own.library) || read.error.has_value() || !own.sub_batches.empty()) {
    GST_ERROR("gstnvtracker: Failed to initialize trackerIface\n");
    return FALSE;
  }
  if (own.config.empty()) GST_WARNING("gstnvtracker: ll-config-file not specified for sub-batch : 0\n");
  standin::MarkingSettings marking;
  marking.width = own.width;
  marking.height = own.height;
  marking.display_id = own.display_id;
  marking.class_ids = class_ids_of(own.class_ids);
  marking.ids_from_zero = (own.id_reset_mode & kFromZeroAfterEos) != 0;
  self->tracking = new Tracking(read.settings, std::move(marking));
  return TRUE;
}

gboolean stop(GstBaseTransform *base) {
  Tracker *self = self_of(base);
  delete self->tracking;
  self->tracking = nullptr;
  return TRUE;
}

void handle_source(Tracker *self, GstEvent *event) {
  Tracking &tracking = *self->tracking;
  const guint mode = self->properties->id_reset_mode;
  guint source = 0;
  switch (static_cast<int>(GST_EVENT_TYPE(event))) {
  case GST_NVEVENT_PAD_DELETED:
    gst_nvevent_parse_pad_deleted(event, &source);
    tracking.streams.remove(source);
    tracking.marker.forget_ids(source);
    break;
  case GST_NVEVENT_STREAM_RESET:
    gst_nvevent_parse_stream_reset(event, &source);
    if ((mode & kNewIdsAfterReset) != 0) tracking.streams.remove(source);
    break;
  case GST_NVEVENT_STREAM_EOS:
    gst_nvevent_parse_stream_eos(event, &source);
    if ((mode & kFromZeroAfterEos) == 0) break;
    tracking.streams.remove(source);
    tracking.marker.forget_ids(source);
    break;
  default:
    break;
  }
}

gboolean sink_event(GstBaseTransform *base, GstEvent *event) {
  Tracker *self = self_of(base);
  if (self->tracking != nullptr) {
    if (GST_EVENT_IS_SERIALIZED(event) && GST_EVENT_TYPE(event) != GST_EVENT_TAG) self->tracking->queue.drain();
    handle_source(self, event);
  }
  return GST_BASE_TRANSFORM_CLASS(standin_tracker_parent_class)->sink_event(base, event);
}

GstFlowReturn submit_input_buffer(GstBaseTransform *base, gboolean, GstBuffer *buffer) {
  Tracker *self = self_of(base);
  NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
  const NvBufSurface *surface = standin::surface_of(buffer);
  if (batch == nullptr || surface == nullptr) {
    // The card's element follows the null pointer.
    GST_ELEMENT_ERROR(self, STREAM, FAILED, ("Failed to submit input to tracker"), ("no NvDsBatchMeta"));
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  const bool of_the_card = surface->memType == NVBUF_MEM_DEFAULT || surface->memType == NVBUF_MEM_CUDA_DEVICE;
  const bool own_gpu = surface->gpuId == self->properties->gpu_id;
  if ((of_the_card && !own_gpu) || (own_gpu && surface->memType == NVBUF_MEM_SYSTEM)) {
    GST_ELEMENT_ERROR(
        self, RESOURCE, FAILED,
        ("Memory Compatibility Error:Input surface gpu-id doesnt match with configured gpu-id for element, please "
         "allocate input using unified memory, or use same gpu-ids OR, if same gpu-ids are used ensure appropriate "
         "Cuda memories are used"),
        ("surface-gpu-id=%u,%s-gpu-id=%u", surface->gpuId, GST_ELEMENT_NAME(self), self->properties->gpu_id));
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  // What comes after does not get back to what comes before: the card's element does not look at what the push answers.
  self->tracking->queue.push([self, batch, surface, buffer] {
    self->tracking->marker.mark(surface, batch, self->tracking->streams);
    gst_pad_push(GST_BASE_TRANSFORM_SRC_PAD(self), buffer);
  });
  return GST_FLOW_OK;
}

GstFlowReturn generate_output(GstBaseTransform *, GstBuffer **outbuf) {
  *outbuf = nullptr;
  return GST_FLOW_OK;
}

void finalize(GObject *object) {
  delete self_of(object)->properties;
  G_OBJECT_CLASS(standin_tracker_parent_class)->finalize(object);
}

void standin_tracker_init(Tracker *self) {
  self->properties = new TrackerProperties();
  self->tracking = nullptr;
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM_CAST(self), TRUE);
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM_CAST(self), TRUE);
}

void standin_tracker_class_init(TrackerClass *klass) {
  GObjectClass *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  constexpr auto kFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto add = [object](guint id, GParamSpec *spec) { g_object_class_install_property(object, id, spec); };
  add(kLibrary, g_param_spec_string("ll-lib-file", "Library", "Path of the low-level library", nullptr, kFlags));
  add(kConfig, g_param_spec_string("ll-config-file", "Configuration", "Path of its configuration", nullptr, kFlags));
  add(kWidth, g_param_spec_uint("tracker-width", "Width", "Of the frames that are tracked on", 0, G_MAXUINT, 960, kFlags));
  add(kHeight, g_param_spec_uint("tracker-height", "Height", "Of the frames that are tracked on", 0, G_MAXUINT, 544, kFlags));
  add(kGpuId, g_param_spec_uint("gpu-id", "GPU", "The card", 0, G_MAXUINT, 0, kFlags));
  add(kDisplayId, g_param_spec_boolean("display-tracking-id", "Display id", "Write the id into the text", TRUE, kFlags));
  add(kIdResetMode, g_param_spec_uint("tracking-id-reset-mode", "Id reset mode",
                                      "0 never, 1 after a reset, 2 from zero after the end, 3 both", 0, 3, 1, kFlags));
  add(kUserMetaPool, g_param_spec_uint("user-meta-pool-size", "Pool", "Of user metadata", 1, G_MAXUINT, 32, kFlags));
  add(kSubBatches, g_param_spec_string("sub-batches", "Sub-batches", "Lists of sources", "", kFlags));
  add(kClassIds, g_param_spec_string("operate-on-class-ids", "Classes", "1;2: only objects of these", "", kFlags));
  GstElementClass *element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "NvTracker plugin", "NvTracker functionality",
                                        "Stand-in of DeepStream's tracker", "Sightline");
  GstBaseTransformClass *transform = GST_BASE_TRANSFORM_CLASS(klass);
  transform->start = start;
  transform->stop = stop;
  transform->sink_event = sink_event;
  transform->submit_input_buffer = submit_input_buffer;
  transform->generate_output = generate_output;
  GST_DEBUG_CATEGORY_INIT(nvtracker_debug, "nvtracker", 0, "nvtracker plugin");
}

} // namespace

GST_ELEMENT_REGISTER_DEFINE(nvtracker, "nvtracker", GST_RANK_PRIMARY, standin_tracker_get_type())

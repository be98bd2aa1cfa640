// nvinferserver: frames of a batch to Triton, objects and tensors onto the batch. Texts, order and flow returns are the card's.
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include <gst/base/gstbasetransform.h>

#include "control.h"
#include "elements.h"
#include "gst-nvevent.h"
#include "gstnvdsmeta.h"
#include "inference/context.h"
#include "output_queue.h"
#include "surface.h"

GST_DEBUG_CATEGORY_STATIC(nvinferserver_debug);
#define GST_CAT_DEFAULT nvinferserver_debug

namespace {

using standin::Notice;

constexpr auto kInferenceFailed = static_cast<GstFlowReturn>(GST_FLOW_CUSTOM_ERROR_2 - 10);
/** Sent into a running pipeline it changes the interval; the property does not. The SDK's name:
 * GST_NVEVENT_INFER_INTERVAL_UPDATE. */
constexpr int kIntervalUpdate = GST_EVENT_MAKE_TYPE(407, GST_EVENT_TYPE_DOWNSTREAM | GST_EVENT_TYPE_SERIALIZED);

/** What a started element has; C++ members of a GObject need a place that is constructed. */
struct Running {
  explicit Running(std::unique_ptr<standin::InferenceContext> started, guint id, guint batches_to_skip, gint gpu)
      : context(std::move(started)), unique_id(id), interval(batches_to_skip), gpu_id(gpu) {}
  std::unique_ptr<standin::InferenceContext> context;
  const guint unique_id;
  std::atomic<guint> interval;
  const gint gpu_id;
  std::atomic<guint> counter{0};
  /** Set by the first request that fails, and never taken back: only a new start helps. */
  std::atomic<bool> failed{false};
  std::atomic<GstFlowReturn> last_flow{GST_FLOW_OK};
  /** Last: its thread ends before anything else goes. */
  standin::OutputQueue queue;
};

struct Inferserver {
  GstBaseTransform parent;
  standin::InferenceProperties *properties;
  Running *running;
};
struct InferserverClass {
  GstBaseTransformClass parent;
};

enum Property {
  kUniqueId = 1,
  kProcessMode,
  kConfigFilePath,
  kBatchSize,
  kInterval,
  kInferOnGieId,
  kInferOnClassIds,
  kInputTensorMeta,
};

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(memory:NVMM), format=(string){ NV12, RGBA }"));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(memory:NVMM), format=(string){ NV12, RGBA }"));

G_DEFINE_TYPE(Inferserver, standin_inferserver, GST_TYPE_BASE_TRANSFORM)

Inferserver *self_of(gpointer object) {
  return static_cast<Inferserver *>(object);
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  standin::InferenceProperties &own = *self_of(object)->properties;
  const auto text = [&] {
    const gchar *given = g_value_get_string(value);
    return std::string(given == nullptr ? "" : given);
  };
  switch (id) {
  case kUniqueId:
    own.unique_id = g_value_get_uint(value);
    break;
  case kProcessMode:
    own.process_mode = g_value_get_uint(value);
    break;
  case kConfigFilePath:
    own.config_path = text();
    break;
  case kBatchSize:
    own.max_batch_size = g_value_get_uint(value);
    break;
  // Read when the element starts, as on the card; then there is kIntervalUpdate.
  case kInterval:
    own.interval = static_cast<int32_t>(g_value_get_uint(value));
    break;
  case kInferOnGieId:
    own.infer_on_gie_id = g_value_get_int(value);
    break;
  case kInferOnClassIds:
    own.infer_on_class_ids = text();
    break;
  case kInputTensorMeta:
    own.input_tensor_from_meta = g_value_get_boolean(value) != FALSE;
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    break;
  }
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  const standin::InferenceProperties &own = *self_of(object)->properties;
  switch (id) {
  case kUniqueId:
    g_value_set_uint(value, own.unique_id);
    break;
  case kProcessMode:
    g_value_set_uint(value, own.process_mode);
    break;
  case kConfigFilePath:
    g_value_set_string(value, own.config_path.c_str());
    break;
  case kBatchSize:
    g_value_set_uint(value, own.max_batch_size);
    break;
  case kInterval:
    g_value_set_uint(value, own.interval < 0 ? 0 : static_cast<guint>(own.interval));
    break;
  case kInferOnGieId:
    g_value_set_int(value, own.infer_on_gie_id);
    break;
  case kInferOnClassIds:
    g_value_set_string(value, own.infer_on_class_ids.c_str());
    break;
  case kInputTensorMeta:
    g_value_set_boolean(value, own.input_tensor_from_meta ? TRUE : FALSE);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    break;
  }
}

void say(Inferserver *self, guint unique_id, const standin::Notices &notices) {
  const auto post = [self](GstMessageType type, const Notice &notice) {
    gst_element_message_full(GST_ELEMENT_CAST(self), type, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS,
                             g_strdup(notice.text.c_str()), notice.debug.empty() ? nullptr : g_strdup(notice.debug.c_str()),
                             __FILE__, "say", __LINE__);
  };
  for (const Notice &notice : notices) {
    switch (notice.kind) {
    case Notice::Kind::bus_error:
      post(GST_MESSAGE_ERROR, notice);
      break;
    case Notice::Kind::bus_warning:
      post(GST_MESSAGE_WARNING, notice);
      break;
    case Notice::Kind::log_error:
      GST_ERROR_OBJECT(self, "nvinferserver[UID %u]: %s", unique_id, notice.text.c_str());
      break;
    case Notice::Kind::log_warning:
      GST_WARNING_OBJECT(self, "nvinferserver[UID %u]: %s", unique_id, notice.text.c_str());
      break;
    }
  }
}

bool start_context(Inferserver *self) {
  standin::Notices notices;
  auto control = standin::read_inference_config(*self->properties, notices);
  const guint id = control.has_value() ? control->infer_config().unique_id() : self->properties->unique_id;
  say(self, id, notices);
  if (!control.has_value()) return false;
  // A card loads its libraries and makes its first context here, which takes its time.
  if (const auto delay = standin::control_number("/inference/startDelayMs"); delay.has_value())
    std::this_thread::sleep_for(std::chrono::milliseconds(*delay));
  notices.clear();
  auto context = standin::InferenceContext::start(*control, notices);
  say(self, id, notices);
  if (context == nullptr) {
    GST_ELEMENT_ERROR(self, RESOURCE, FAILED, ("Failed to initialize InferTrtIsContext"),
                      ("Config file path: %s", self->properties->config_path.c_str()));
    return false;
  }
  self->running = new Running(std::move(context), id, control->input_control().interval(), control->infer_config().gpu_ids(0));
  return true;
}

gboolean start(GstBaseTransform *base) {
  Inferserver *self = self_of(base);
  if (start_context(self)) return TRUE;
  GST_ELEMENT_ERROR(self, LIBRARY, FAILED, ("gstnvinferserver_impl start failed"), (nullptr));
  return FALSE;
}

gboolean stop(GstBaseTransform *base) {
  Inferserver *self = self_of(base);
  delete self->running;
  self->running = nullptr;
  return TRUE;
}

void update_interval(Running &running, GstEvent *event) {
  guint interval = 0;
  if (gst_structure_get_uint(gst_event_get_structure(event), "interval", &interval) != FALSE) running.interval = interval;
}

gboolean sink_event(GstBaseTransform *base, GstEvent *event) {
  Inferserver *self = self_of(base);
  if (self->running != nullptr) {
    if (GST_EVENT_IS_SERIALIZED(event) && GST_EVENT_TYPE(event) != GST_EVENT_TAG) self->running->queue.drain();
    if (GST_EVENT_TYPE(event) == GST_EVENT_EOS) self->running->counter = 0;
    if (static_cast<int>(GST_EVENT_TYPE(event)) == kIntervalUpdate) update_interval(*self->running, event);
  }
  return GST_BASE_TRANSFORM_CLASS(standin_inferserver_parent_class)->sink_event(base, event);
}

/** A batch goes on even when its request failed; the error comes after it. */
void push_batch(Inferserver *self, GstBuffer *buffer) {
  Running &running = *self->running;
  const GstFlowReturn before = running.last_flow;
  GstFlowReturn flow = gst_pad_push(GST_BASE_TRANSFORM_SRC_PAD(self), buffer);
  if (flow != before && (flow == GST_FLOW_ERROR || flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_NOT_NEGOTIATED))
    GST_ELEMENT_ERROR(self, STREAM, FAILED, ("Internal data stream error."),
                      ("streaming stopped, reason %s (%d)", gst_flow_get_name(flow), flow));
  if (flow == GST_FLOW_OK && running.failed) {
    flow = kInferenceFailed;
    GST_ELEMENT_ERROR(self, LIBRARY, FAILED, ("inference failed with unique-id:%u", running.unique_id), (nullptr));
  }
  running.last_flow = flow;
}

void finish(Inferserver *self, std::vector<standin::InferenceRequest> &requests, GstBuffer *buffer) {
  const auto slow = requests.empty() ? std::nullopt : standin::control_number("/inference/requestMs");
  if (slow.has_value()) std::this_thread::sleep_for(std::chrono::milliseconds(*slow));
  for (standin::InferenceRequest &request : requests) {
    const auto error = self->running->context->take(request);
    if (!error.has_value()) continue;
    GST_ERROR_OBJECT(self, "nvinferserver[UID %u]: %s", self->running->unique_id, error->c_str());
    self->running->failed = true;
  }
  push_batch(self, buffer);
}

bool fits(Inferserver *self, const NvBufSurface *surface) {
  const bool own_gpu = static_cast<gint>(surface->gpuId) == self->running->gpu_id;
  const bool of_the_card = surface->memType == NVBUF_MEM_DEFAULT || surface->memType == NVBUF_MEM_CUDA_DEVICE;
  if ((of_the_card && !own_gpu) || (own_gpu && surface->memType == NVBUF_MEM_SYSTEM)) {
    GST_ELEMENT_ERROR(
        self, RESOURCE, FAILED,
        ("Memory Compatibility Error:Input surface gpu-id doesn't match with configured gpu-id for element, please "
         "allocate input using unified memory, or use same gpu-ids OR, if same gpu-ids are used ensure appropriate "
         "Cuda memories are used"),
        ("surface-gpu-id=%u,%s-", surface->gpuId, GST_ELEMENT_NAME(self)));
    return false;
  }
  for (uint32_t i = 0; i < surface->numFilled; ++i)
    if (surface->surfaceList[i].colorFormat != NVBUF_COLOR_FORMAT_NV12) {
      GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("The stand-in of nvinferserver reads NV12 alone"), (nullptr));
      return false;
    }
  return true;
}

GstFlowReturn submit_input_buffer(GstBaseTransform *base, gboolean, GstBuffer *buffer) {
  Inferserver *self = self_of(base);
  Running &running = *self->running;
  NvDsBatchMeta *batch = gst_buffer_get_nvds_batch_meta(buffer);
  const NvBufSurface *surface = standin::surface_of(buffer);
  if (batch == nullptr || surface == nullptr) {
    GST_ELEMENT_ERROR(self, STREAM, FAILED, ("NvDsBatchMeta not found for input buffer."), (nullptr));
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  if (!fits(self, surface)) {
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  const bool skipped = running.counter++ % (running.interval + 1) > 0;
  auto requests = std::make_shared<std::vector<standin::InferenceRequest>>();
  if (!skipped) *requests = running.context->ask(surface, batch);
  running.queue.push([self, requests, buffer] { finish(self, *requests, buffer); });
  return GST_FLOW_OK;
}

GstFlowReturn generate_output(GstBaseTransform *base, GstBuffer **) {
  return self_of(base)->running->last_flow;
}

void finalize(GObject *object) {
  delete self_of(object)->properties;
  G_OBJECT_CLASS(standin_inferserver_parent_class)->finalize(object);
}

void standin_inferserver_init(Inferserver *self) {
  self->properties = new standin::InferenceProperties();
  self->running = nullptr;
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM_CAST(self), TRUE);
  gst_base_transform_set_passthrough(GST_BASE_TRANSFORM_CAST(self), TRUE);
}

void standin_inferserver_class_init(InferserverClass *klass) {
  GObjectClass *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  constexpr auto kFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);
  const auto add = [object](guint id, GParamSpec *spec) { g_object_class_install_property(object, id, spec); };
  add(kUniqueId, g_param_spec_uint("unique-id", "Unique ID", "Names the objects of this element", 0, G_MAXUINT, 0, kFlags));
  add(kProcessMode, g_param_spec_uint("process-mode", "Process mode", "0 none, 1 whole frames, 2 objects", 0, 2, 0, kFlags));
  add(kConfigFilePath, g_param_spec_string("config-file-path", "Config file path", "The configuration file", "", kFlags));
  add(kBatchSize, g_param_spec_uint("batch-size", "Batch size", "Most frames in a request", 0, 1024, 0, kFlags));
  add(kInterval, g_param_spec_uint("interval", "Interval", "Batches to skip between two looks", 0, G_MAXINT, 0, kFlags));
  add(kInferOnGieId, g_param_spec_int("infer-on-gie-id", "Infer on", "Whose objects to look at", -1, G_MAXINT, -1, kFlags));
  add(kInferOnClassIds, g_param_spec_string("infer-on-class-ids", "Infer on classes", "Which classes", "", kFlags));
  add(kInputTensorMeta,
      g_param_spec_boolean("input-tensor-meta", "Input tensor meta", "Take tensors from metadata", FALSE, kFlags));
  GstElementClass *element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(element, "NvInferServer plugin", "NvInferServer Plugin",
                                        "Stand-in of DeepStream's Triton plugin", "Sightline");
  GstBaseTransformClass *transform = GST_BASE_TRANSFORM_CLASS(klass);
  transform->start = start;
  transform->stop = stop;
  transform->sink_event = sink_event;
  transform->submit_input_buffer = submit_input_buffer;
  transform->generate_output = generate_output;
  GST_DEBUG_CATEGORY_INIT(nvinferserver_debug, "nvinferserver", 0, "nvinferserver plugin");
  gst_debug_category_set_threshold(nvinferserver_debug, GST_LEVEL_INFO);
}

} // namespace

GST_ELEMENT_REGISTER_DEFINE(nvinferserver, "nvinferserver", GST_RANK_PRIMARY, standin_inferserver_get_type())

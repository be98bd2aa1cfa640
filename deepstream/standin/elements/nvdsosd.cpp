// nvdsosd: the boxes and texts of the metadata, drawn into the very pixels that a tee's other branches see.
#include <gst/base/gstbasetransform.h>

#include "canvas.h"
#include "elements.h"
#include "frames.h"
#include "gstnvdsmeta.h"
#include "properties.h"

namespace {

using namespace standin;

enum { kProcessMode = 1, kDisplayText, kDisplayBbox, kDisplayMask, kGpuId, kBlurBbox };
constexpr int kCpuMode = 0;
PropertyTable &table() {
  static auto *specs = new PropertyTable();
  return *specs;
}

struct NvDsOsd {
  GstBaseTransform parent;
  Properties *properties;
};
struct NvDsOsdClass {
  GstBaseTransformClass parent;
};
G_DEFINE_TYPE(NvDsOsd, standin_nvdsosd, GST_TYPE_BASE_TRANSFORM)

NvDsOsd *self_of(gpointer object) {
  return static_cast<NvDsOsd *>(object);
}

gboolean set_caps(GstBaseTransform *base, GstCaps *caps, GstCaps *) {
  NvDsOsd *self = self_of(base);
  const char *format = gst_structure_get_string(gst_caps_get_structure(caps, 0), "format");
  if (self->properties->choice(kProcessMode) == kCpuMode && g_strcmp0(format, "RGBA") != 0) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("process-mode CPU_MODE draws on RGBA only, this is %s", format), (nullptr));
    return FALSE;
  }
  return TRUE;
}

void draw(const NvDsFrameMeta *frame, const Canvas &canvas, bool boxes, bool texts) {
  for (GList *l = frame->obj_meta_list; l != nullptr; l = l->next) {
    const auto *object = static_cast<const NvDsObjectMeta *>(l->data);
    if (boxes) canvas.rectangle(object->rect_params);
    if (texts) canvas.text(object->text_params);
  }
  for (GList *l = frame->display_meta_list; l != nullptr; l = l->next) {
    const auto *display = static_cast<const NvDsDisplayMeta *>(l->data);
    for (guint i = 0; i < display->num_rects && i < MAX_ELEMENTS_IN_DISPLAY_META; ++i)
      canvas.rectangle(display->rect_params[i]);
    for (guint i = 0; i < display->num_labels && i < MAX_ELEMENTS_IN_DISPLAY_META; ++i) canvas.text(display->text_params[i]);
  }
}

GstFlowReturn transform_ip(GstBaseTransform *base, GstBuffer *buffer) {
  NvDsOsd *self = self_of(base);
  const NvBufSurface *surface = surface_of(buffer);
  if (surface == nullptr) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("Input buffer is not NvBufSurface"), (nullptr));
    return GST_FLOW_ERROR;
  }
  NvDsBatchMeta *meta = gst_buffer_get_nvds_batch_meta(buffer);
  if (meta == nullptr) return GST_FLOW_OK;
  nvds_acquire_meta_lock(meta);
  // The card's goes through the metadata of the whole batch and has one picture, the first.
  for (GList *l = meta->frame_meta_list; l != nullptr && surface->numFilled > 0; l = l->next)
    draw(static_cast<const NvDsFrameMeta *>(l->data), Canvas(surface, 0), self->properties->flag(kDisplayBbox),
         self->properties->flag(kDisplayText));
  nvds_release_meta_lock(meta);
  return GST_FLOW_OK;
}

void finalize(GObject *object) {
  delete self_of(object)->properties;
  G_OBJECT_CLASS(standin_nvdsosd_parent_class)->finalize(object);
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *) {
  self_of(object)->properties->set(id, value);
}
void get_property(GObject *object, guint id, GValue *value, GParamSpec *) {
  self_of(object)->properties->get(id, value);
}

void standin_nvdsosd_class_init(NvDsOsdClass *klass) {
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  table() = {property_enum("process-mode", "StandinOsdMode", {{kCpuMode, "CPU_MODE"}, {1, "GPU_MODE"}}, 1),
             property_bool("display-text", true),
             property_bool("display-bbox", true),
             property_bool("display-mask", false),
             property_uint("gpu-id", 0),
             property_uint("blur-bbox", 0, 2)};
  install(object, table());
  auto *element = GST_ELEMENT_CLASS(klass);
  gst_element_class_set_static_metadata(element, "NvDsOsd of the stand-in", "Filter/Editor/Video", "draws boxes and texts",
                                        "Sightline");
  GstCaps *caps = gst_caps_from_string("video/x-raw(memory:NVMM), format=(string){ NV12, RGBA }");
  gst_element_class_add_pad_template(element, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template(element, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
  auto *base = GST_BASE_TRANSFORM_CLASS(klass);
  base->set_caps = set_caps;
  base->transform_ip = transform_ip;
}

void standin_nvdsosd_init(NvDsOsd *self) {
  self->properties = new Properties(table());
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
}

} // namespace

GST_ELEMENT_REGISTER_DEFINE(nvdsosd, "nvdsosd", GST_RANK_NONE, standin_nvdsosd_get_type())

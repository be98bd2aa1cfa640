// nvvideoconvert: colour, size and memory, with the metadata of the batch.
#include <array>
#include <cstdio>
#include <string>

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include "elements.h"
#include "frames.h"
#include "gstnvdsmeta.h"
#include "properties.h"

namespace {

using namespace standin;

enum { kGpuId = 1, kMemoryType, kComputeHw, kInterpolation, kSrcCrop, kDestCrop, kDisablePassthrough };
PropertyTable &table() {
  static auto *specs = new PropertyTable();
  return *specs;
}

constexpr const char *kSystemCaps = "video/x-raw, format=(string){ NV12, I420, RGBA }, width=(int)[ 1, max ], "
                                    "height=(int)[ 1, max ], framerate=(fraction)[ 0/1, max ]";

/** How one picture becomes another, for one pair of caps. */
struct Conversion {
  GstVideoInfo in, out;
  bool from_nvmm, to_nvmm;
  GstVideoConverter *converter;
  GstBufferPool *pool;
  guint pool_batch;
};

struct NvVideoConvert {
  GstBaseTransform parent;
  Properties *properties;
  Conversion *now;
};
struct NvVideoConvertClass {
  GstBaseTransformClass parent;
};
G_DEFINE_TYPE(NvVideoConvert, standin_nvvideoconvert, GST_TYPE_BASE_TRANSFORM)

NvVideoConvert *self_of(gpointer object) {
  return static_cast<NvVideoConvert *>(object);
}

void drop_conversion(NvVideoConvert *self) {
  if (self->now == nullptr) return;
  gst_video_converter_free(self->now->converter);
  if (self->now->pool != nullptr) {
    gst_buffer_pool_set_active(self->now->pool, FALSE);
    gst_object_unref(self->now->pool);
  }
  delete self->now;
  self->now = nullptr;
}

/** "left:top:width:height" into the converter's options; false for anything else. */
bool crop_options(GstStructure *options, const std::string &text, const std::array<const char *, 4> &names) {
  if (text.empty() || text == "0:0:0:0") return true;
  std::array<int, 4> value{};
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d:%d:%d:%d%c", &value[0], &value[1], &value[2], &value[3], &rest) != 4) return false;
  for (size_t i = 0; i < names.size(); ++i) gst_structure_set(options, names[i], G_TYPE_INT, value[i], nullptr);
  return true;
}

GstStructure *converter_options(NvVideoConvert *self) {
  const auto method =
      self->properties->choice(kInterpolation) == 0 ? GST_VIDEO_RESAMPLER_METHOD_NEAREST : GST_VIDEO_RESAMPLER_METHOD_LINEAR;
  GstStructure *options =
      gst_structure_new("options", GST_VIDEO_CONVERTER_OPT_RESAMPLER_METHOD, GST_TYPE_VIDEO_RESAMPLER_METHOD, method,
                        GST_VIDEO_CONVERTER_OPT_THREADS, G_TYPE_UINT, 1U, nullptr);
  const bool good = crop_options(options, self->properties->text(kSrcCrop),
                                 {GST_VIDEO_CONVERTER_OPT_SRC_X, GST_VIDEO_CONVERTER_OPT_SRC_Y,
                                  GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT}) &&
                    crop_options(options, self->properties->text(kDestCrop),
                                 {GST_VIDEO_CONVERTER_OPT_DEST_X, GST_VIDEO_CONVERTER_OPT_DEST_Y,
                                  GST_VIDEO_CONVERTER_OPT_DEST_WIDTH, GST_VIDEO_CONVERTER_OPT_DEST_HEIGHT});
  if (good) return options;
  gst_structure_free(options);
  return nullptr;
}

/** Any memory and any format of ours, the same memory first. */
GstCaps *transform_caps(GstBaseTransform *, GstPadDirection, GstCaps *caps, GstCaps *filter) {
  GstCaps *all = gst_caps_new_empty();
  for (const bool same : {true, false}) {
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
      const GstStructure *structure = gst_caps_get_structure(caps, i);
      const bool nvmm = gst_caps_features_contains(gst_caps_get_features(caps, i), kNvmmFeature) != FALSE;
      GstStructure *free = gst_structure_copy(structure);
      gst_structure_remove_fields(free, "format", "colorimetry", "chroma-site", "width", "height", "pixel-aspect-ratio",
                                  nullptr);
      GstCaps *one = gst_caps_from_string(nvmm == same ? kNvmmCaps : kSystemCaps);
      GstStructure *made = gst_caps_get_structure(one, 0);
      gst_structure_remove_field(made, "framerate");
      gst_structure_foreach(
          free,
          [](GQuark field, const GValue *value, gpointer to) -> gboolean {
            gst_structure_id_set_value(static_cast<GstStructure *>(to), field, value);
            return TRUE;
          },
          made);
      gst_structure_free(free);
      all = gst_caps_merge(all, one);
    }
  }
  if (filter == nullptr) return all;
  GstCaps *wanted = gst_caps_intersect_full(filter, all, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref(all);
  return wanted;
}

/** As little change as the other side allows. */
GstCaps *fixate_caps(GstBaseTransform *, GstPadDirection, GstCaps *caps, GstCaps *othercaps) {
  GstCaps *fixed = gst_caps_make_writable(gst_caps_truncate(othercaps));
  const GstStructure *in = gst_caps_get_structure(caps, 0);
  GstStructure *out = gst_caps_get_structure(fixed, 0);
  for (const char *field : {"width", "height"}) {
    gint value = 0;
    if (gst_structure_get_int(in, field, &value) != FALSE) gst_structure_fixate_field_nearest_int(out, field, value);
  }
  if (const char *format = gst_structure_get_string(in, "format")) gst_structure_fixate_field_string(out, "format", format);
  const GValue *colorimetry = gst_structure_get_value(in, "colorimetry");
  const bool same = g_strcmp0(gst_structure_get_string(in, "format"), gst_structure_get_string(out, "format")) == 0;
  if (same && colorimetry != nullptr && gst_structure_has_field(out, "colorimetry") == FALSE)
    gst_structure_set_value(out, "colorimetry", colorimetry);
  return gst_caps_fixate(fixed);
}

gboolean set_caps(GstBaseTransform *base, GstCaps *in, GstCaps *out) {
  NvVideoConvert *self = self_of(base);
  drop_conversion(self);
  auto now = Conversion{};
  if (gst_video_info_from_caps(&now.in, in) == FALSE || gst_video_info_from_caps(&now.out, out) == FALSE) return FALSE;
  now.from_nvmm = has_nvmm(in);
  now.to_nvmm = has_nvmm(out);
  GstStructure *options = converter_options(self);
  if (options == nullptr) {
    GST_ELEMENT_ERROR(self, LIBRARY, SETTINGS, ("src-crop and dest-crop are left:top:width:height"), (nullptr));
    return FALSE;
  }
  now.converter = gst_video_converter_new(&now.in, &now.out, options);
  if (now.converter == nullptr) return FALSE;
  self->now = new Conversion(now);
  const bool whole = self->properties->text(kSrcCrop).empty() && self->properties->text(kDestCrop).empty();
  gst_base_transform_set_passthrough(base, gst_caps_is_equal(in, out) != FALSE && whole &&
                                               !self->properties->flag(kDisablePassthrough));
  return TRUE;
}

void copy_metas(GstBuffer *to, GstBuffer *from) {
  gst_buffer_copy_into(to, from, static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS), 0, -1);
  gpointer state = nullptr;
  while (GstMeta *meta = gst_buffer_iterate_meta(from, &state)) {
    const GType api = meta->info->api;
    if (api != NVDS_META_API_TYPE && api != GST_REFERENCE_TIMESTAMP_META_API_TYPE) continue;
    GstMetaTransformCopy whole{FALSE, 0, static_cast<gsize>(-1)};
    meta->info->transform_func(to, meta, from, _gst_meta_transform_copy, &whole);
  }
}

GstFlowReturn prepare_output(GstBaseTransform *base, GstBuffer *in, GstBuffer **out) {
  NvVideoConvert *self = self_of(base);
  if (gst_base_transform_is_passthrough(base) != FALSE) {
    *out = in;
    return GST_FLOW_OK;
  }
  Conversion *now = self->now;
  if (now == nullptr) return GST_FLOW_NOT_NEGOTIATED;
  if (!now->to_nvmm) {
    *out = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&now->out), nullptr);
  } else {
    const NvBufSurface *from = now->from_nvmm ? surface_of(in) : nullptr;
    const guint batch = from == nullptr ? 1 : from->batchSize;
    if (now->pool == nullptr || now->pool_batch != batch) {
      if (now->pool != nullptr) {
        gst_buffer_pool_set_active(now->pool, FALSE);
        gst_object_unref(now->pool);
      }
      SurfaceSpec spec;
      spec.batch = batch;
      spec.width = static_cast<uint32_t>(GST_VIDEO_INFO_WIDTH(&now->out));
      spec.height = static_cast<uint32_t>(GST_VIDEO_INFO_HEIGHT(&now->out));
      spec.format = *color_format(GST_VIDEO_INFO_FORMAT(&now->out));
      spec.memory = static_cast<NvBufSurfaceMemType>(self->properties->choice(kMemoryType));
      spec.gpu = self->properties->uint(kGpuId);
      now->pool = nvmm_pool_new(spec, 0);
      now->pool_batch = batch;
    }
    const GstFlowReturn got = gst_buffer_pool_acquire_buffer(now->pool, out, nullptr);
    if (got != GST_FLOW_OK) return got;
  }
  copy_metas(*out, in);
  return GST_FLOW_OK;
}

GstFlowReturn transform(GstBaseTransform *base, GstBuffer *in, GstBuffer *out) {
  NvVideoConvert *self = self_of(base);
  const Conversion *now = self->now;
  NvBufSurface *from = now->from_nvmm ? surface_of(in) : nullptr;
  NvBufSurface *to = now->to_nvmm ? surface_of(out) : nullptr;
  if ((now->from_nvmm && from == nullptr) || (now->to_nvmm && to == nullptr)) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("Input buffer is not NvBufSurface"), (nullptr));
    return GST_FLOW_ERROR;
  }
  const guint frames = from == nullptr ? 1 : from->numFilled;
  if (to == nullptr && frames != 1) {
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("a batch of %u frames has no place in system memory", frames), (nullptr));
    return GST_FLOW_ERROR;
  }
  for (guint i = 0; i < frames; ++i) {
    GstVideoFrame source{};
    GstVideoFrame target{};
    if (from == nullptr && gst_video_frame_map(&source, &now->in, in, GST_MAP_READ) == FALSE) return GST_FLOW_ERROR;
    if (to == nullptr && gst_video_frame_map(&target, &now->out, out, GST_MAP_WRITE) == FALSE) {
      if (from == nullptr) gst_video_frame_unmap(&source);
      return GST_FLOW_ERROR;
    }
    if (from != nullptr) source = frame_over(from, i, now->in);
    if (to != nullptr) target = frame_over(to, i, now->out);
    gst_video_converter_frame(now->converter, &source, &target);
    if (from == nullptr) gst_video_frame_unmap(&source);
    if (to == nullptr) gst_video_frame_unmap(&target);
  }
  if (to != nullptr) to->numFilled = frames;
  return GST_FLOW_OK;
}

gboolean unit_size(GstBaseTransform *, GstCaps *caps, gsize *size) {
  GstVideoInfo info;
  if (gst_video_info_from_caps(&info, caps) == FALSE) return FALSE;
  *size = has_nvmm(caps) ? sizeof(NvBufSurface) : GST_VIDEO_INFO_SIZE(&info);
  return TRUE;
}

gboolean propose_allocation(GstBaseTransform *, GstQuery *, GstQuery *query) {
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  return TRUE;
}

/** Buffers are this element's own. */
gboolean decide_allocation(GstBaseTransform *, GstQuery *) {
  return TRUE;
}

gboolean stop(GstBaseTransform *base) {
  drop_conversion(self_of(base));
  return TRUE;
}

void finalize(GObject *object) {
  drop_conversion(self_of(object));
  delete self_of(object)->properties;
  G_OBJECT_CLASS(standin_nvvideoconvert_parent_class)->finalize(object);
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *) {
  self_of(object)->properties->set(id, value);
}
void get_property(GObject *object, guint id, GValue *value, GParamSpec *) {
  self_of(object)->properties->get(id, value);
}

void add_template(GstElementClass *klass, const char *name, GstPadDirection direction) {
  GstCaps *caps = gst_caps_from_string(kNvmmCaps);
  caps = gst_caps_merge(caps, gst_caps_from_string(kSystemCaps));
  gst_element_class_add_pad_template(klass, gst_pad_template_new(name, direction, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
}

void standin_nvvideoconvert_class_init(NvVideoConvertClass *klass) {
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  table() = {property_uint("gpu-id", 0),
             property_memory("nvbuf-memory-type"),
             property_enum("compute-hw", "StandinComputeHw", {{0, "Default"}, {1, "GPU"}, {2, "VIC"}}, 0),
             property_enum(
                 "interpolation-method", "StandinInterpolation",
                 {{0, "Nearest"}, {1, "Bilinear"}, {2, "Algo-1"}, {3, "Algo-2"}, {4, "Algo-3"}, {5, "Algo-4"}, {6, "Default"}},
                 6),
             property_text("src-crop"),
             property_text("dest-crop"),
             property_bool("disable-passthrough", false)};
  install(object, table());
  auto *element = GST_ELEMENT_CLASS(klass);
  gst_element_class_set_static_metadata(element, "NvVidConv of the stand-in", "Filter/Converter/Video/Scaler",
                                        "colour, size and memory", "Sightline");
  add_template(element, "src", GST_PAD_SRC);
  add_template(element, "sink", GST_PAD_SINK);
  auto *base = GST_BASE_TRANSFORM_CLASS(klass);
  base->transform_caps = transform_caps;
  base->fixate_caps = fixate_caps;
  base->set_caps = set_caps;
  base->get_unit_size = unit_size;
  base->prepare_output_buffer = prepare_output;
  base->transform = transform;
  base->propose_allocation = propose_allocation;
  base->decide_allocation = decide_allocation;
  base->stop = stop;
  base->passthrough_on_same_caps = FALSE;
}

void standin_nvvideoconvert_init(NvVideoConvert *self) {
  self->properties = new Properties(table());
  self->now = nullptr;
}

} // namespace

GST_ELEMENT_REGISTER_DEFINE(nvvideoconvert, "nvvideoconvert", GST_RANK_NONE, standin_nvvideoconvert_get_type())

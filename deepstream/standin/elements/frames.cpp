#include "frames.h"

#include <algorithm>
#include <cmath>

namespace standin {

bool has_nvmm(const GstCaps *caps) {
  GstCapsFeatures *features = gst_caps_get_features(caps, 0);
  return features != nullptr && gst_caps_features_contains(features, kNvmmFeature) != FALSE;
}

std::optional<NvBufSurfaceColorFormat> color_format(GstVideoFormat format) {
  switch (format) {
  case GST_VIDEO_FORMAT_NV12:
    return NVBUF_COLOR_FORMAT_NV12;
  case GST_VIDEO_FORMAT_I420:
    return NVBUF_COLOR_FORMAT_YUV420;
  case GST_VIDEO_FORMAT_RGBA:
    return NVBUF_COLOR_FORMAT_RGBA;
  default:
    return std::nullopt;
  }
}

GstVideoFrame frame_over(const NvBufSurface *surface, uint32_t index, const GstVideoInfo &info) {
  GstVideoFrame frame{};
  frame.info = info;
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES(&info); ++p) {
    const Plane plane = plane_of(surface, index, p);
    frame.data[p] = plane.data;
    frame.info.stride[p] = static_cast<gint>(plane.pitch);
  }
  return frame;
}

Rectangle placement(int width, int height, int out_width, int out_height, bool padding) {
  if (!padding || width <= 0 || height <= 0) return {0, 0, out_width, out_height};
  const double scale = std::min(static_cast<double>(out_width) / width, static_cast<double>(out_height) / height);
  const auto even = [](double value, int most) { return std::clamp(static_cast<int>(std::lround(value / 2)) * 2, 2, most); };
  const int inner_width = even(width * scale, out_width);
  const int inner_height = even(height * scale, out_height);
  return {(out_width - inner_width) / 4 * 2, (out_height - inner_height) / 4 * 2, inner_width, inner_height};
}

namespace {

struct NvmmPool {
  GstBufferPool parent;
  SurfaceSpec spec;
};
struct NvmmPoolClass {
  GstBufferPoolClass parent;
};
G_DEFINE_TYPE(NvmmPool, standin_nvmm_pool, GST_TYPE_BUFFER_POOL)

GstFlowReturn alloc(GstBufferPool *pool, GstBuffer **buffer, GstBufferPoolAcquireParams *) {
  GstMemory *memory = nvmm_new(reinterpret_cast<NvmmPool *>(pool)->spec);
  if (memory == nullptr) return GST_FLOW_ERROR;
  *buffer = gst_buffer_new();
  gst_buffer_append_memory(*buffer, memory);
  return GST_FLOW_OK;
}

void standin_nvmm_pool_class_init(NvmmPoolClass *klass) {
  GST_BUFFER_POOL_CLASS(klass)->alloc_buffer = alloc;
}
void standin_nvmm_pool_init(NvmmPool *self) {
  self->spec = {};
}

} // namespace

GstBufferPool *nvmm_pool_new(const SurfaceSpec &spec, guint most) {
  auto *pool = static_cast<GstBufferPool *>(gst_object_ref_sink(g_object_new(standin_nvmm_pool_get_type(), nullptr)));
  reinterpret_cast<NvmmPool *>(pool)->spec = spec;
  GstStructure *config = gst_buffer_pool_get_config(pool);
  gst_buffer_pool_config_set_params(config, nullptr, sizeof(NvBufSurface), 0, most);
  gst_buffer_pool_set_config(pool, config);
  gst_buffer_pool_set_active(pool, TRUE);
  return pool;
}

} // namespace standin

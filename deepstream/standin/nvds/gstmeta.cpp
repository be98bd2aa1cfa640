// NvDsMeta on a GstBuffer. Its API type has a tag of its own, so that GStreamer's own filters and codecs drop it, while copies
// of a buffer carry a deep copy.
#include "gstnvdsmeta.h"

namespace {

gboolean init_meta(GstMeta *meta, gpointer, GstBuffer *) {
  auto *nv = reinterpret_cast<NvDsMeta *>(meta);
  nv->meta_data = nullptr;
  nv->user_data = nullptr;
  nv->meta_type = NVDS_GST_INVALID_META;
  nv->copyfunc = nullptr;
  nv->freefunc = nullptr;
  return TRUE;
}

void free_meta(GstMeta *meta, GstBuffer *) {
  auto *nv = reinterpret_cast<NvDsMeta *>(meta);
  if (nv->freefunc != nullptr) nv->freefunc(nv->meta_data, nv->user_data);
}

gboolean transform_meta(GstBuffer *to, GstMeta *meta, GstBuffer *, GQuark type, gpointer) {
  if (!GST_META_TRANSFORM_IS_COPY(type)) return FALSE;
  auto *nv = reinterpret_cast<NvDsMeta *>(meta);
  if (nv->copyfunc == nullptr) return FALSE;
  NvDsMeta *copy =
      gst_buffer_add_nvds_meta(to, nv->copyfunc(nv->meta_data, nv->user_data), nv->user_data, nv->copyfunc, nv->freefunc);
  copy->meta_type = nv->meta_type;
  return TRUE;
}

} // namespace

extern "C" {

GType nvds_meta_api_get_type(void) {
  static GType type = 0;
  if (g_once_init_enter(&type)) {
    static const gchar *tags[] = {"nvds", nullptr};
    const GType registered = gst_meta_api_type_register("NvDsMetaAPI", tags);
    g_once_init_leave(&type, registered);
  }
  return type;
}

const GstMetaInfo *nvds_meta_get_info(void) {
  static const GstMetaInfo *info = nullptr;
  if (g_once_init_enter(&info)) {
    const GstMetaInfo *registered =
        gst_meta_register(NVDS_META_API_TYPE, "NvDsMeta", sizeof(NvDsMeta), init_meta, free_meta, transform_meta);
    g_once_init_leave(&info, registered);
  }
  return info;
}

NvDsMeta *gst_buffer_add_nvds_meta(GstBuffer *buffer, gpointer meta_data, gpointer user_data, NvDsMetaCopyFunc copy_func,
                                   NvDsMetaReleaseFunc release_func) {
  auto *nv = reinterpret_cast<NvDsMeta *>(gst_buffer_add_meta(buffer, NVDS_META_INFO, nullptr));
  nv->meta_data = meta_data;
  nv->user_data = user_data;
  nv->copyfunc = copy_func;
  nv->freefunc = release_func;
  return nv;
}

NvDsMeta *gst_buffer_get_nvds_meta(GstBuffer *buffer) {
  return reinterpret_cast<NvDsMeta *>(gst_buffer_get_meta(buffer, NVDS_META_API_TYPE));
}

NvDsBatchMeta *gst_buffer_get_nvds_batch_meta(GstBuffer *buffer) {
  gpointer state = nullptr;
  while (GstMeta *meta = gst_buffer_iterate_meta_filtered(buffer, &state, NVDS_META_API_TYPE)) {
    auto *nv = reinterpret_cast<NvDsMeta *>(meta);
    if (nv->meta_type == NVDS_BATCH_GST_META) return static_cast<NvDsBatchMeta *>(nv->meta_data);
  }
  return nullptr;
}
}

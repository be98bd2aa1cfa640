/* NvDsMeta on a GstBuffer, written anew for the stand-in: same names, own layout. */
#ifndef STANDIN_GSTNVDSMETA_H
#define STANDIN_GSTNVDSMETA_H

#include <gst/gst.h>

#include "nvdsmeta.h"

G_BEGIN_DECLS

typedef enum {
  NVDS_GST_INVALID_META = -1,
  NVDS_BATCH_GST_META = NVDS_GST_CUSTOM_META + 1,
} GstNvDsMetaType;

typedef struct _NvDsMeta {
  GstMeta meta;
  gpointer meta_data;
  gpointer user_data;
  gint meta_type;
  NvDsMetaCopyFunc copyfunc;
  NvDsMetaReleaseFunc freefunc;
} NvDsMeta;

GType nvds_meta_api_get_type(void);
#define NVDS_META_API_TYPE (nvds_meta_api_get_type())
const GstMetaInfo *nvds_meta_get_info(void);
#define NVDS_META_INFO (nvds_meta_get_info())

NvDsMeta *gst_buffer_add_nvds_meta(GstBuffer *buffer, gpointer meta_data, gpointer user_data, NvDsMetaCopyFunc copy_func,
                                   NvDsMetaReleaseFunc release_func);
NvDsMeta *gst_buffer_get_nvds_meta(GstBuffer *buffer);
NvDsBatchMeta *gst_buffer_get_nvds_batch_meta(GstBuffer *buffer);

G_END_DECLS
#endif

/* Raw output tensors as metadata of a frame, written anew for the stand-in: same names, own layout. */
#ifndef STANDIN_GSTNVDSINFER_H
#define STANDIN_GSTNVDSINFER_H

#include <gst/gst.h>

#include "nvdsinfer.h"
#include "nvdsmeta.h"

G_BEGIN_DECLS

typedef struct {
  guint unique_id;
  guint num_output_layers;
  NvDsInferLayerInfo *output_layers_info;
  /* One pointer for each layer; out_buf_ptrs_dev is NULL behind nvinferserver over gRPC. */
  void **out_buf_ptrs_host;
  void **out_buf_ptrs_dev;
  gint gpu_id;
  void *priv_data;
  NvDsInferNetworkInfo network_info;
} NvDsInferTensorMeta;

G_END_DECLS
#endif

/* JPEG crops, written anew for the stand-in: same names, own layout. Like the SDK's it wants gst/gst.h, nvbufsurface.h and
 * gstnvdsmeta.h before it. */
#ifndef STANDIN_NVDS_OBJ_ENCODE_H
#define STANDIN_NVDS_OBJ_ENCODE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FILE_NAME_SIZE (1024)

typedef struct _NvDsObjEncCtx *NvDsObjEncCtxHandle;

typedef struct _NvDsObjEncUsrArgs {
  bool saveImg;
  bool attachUsrMeta;
  bool scaleImg;
  int scaledWidth;
  int scaledHeight;
  char fileNameImg[FILE_NAME_SIZE];
  int objNum;
  int quality;
  bool isFrame;
  bool calcEncodeTime;
} NvDsObjEncUsrArgs;

/* Owned by the metadata: to be copied out, never freed. */
typedef struct _NvDsObjEncOutParams {
  uint8_t *outBuffer;
  uint64_t outLen;
} NvDsObjEncOutParams;

NvDsObjEncCtxHandle nvds_obj_enc_create_context(int gpu_id);
/* Queues one crop: the object's rect_params, or the whole frame with isFrame. */
bool nvds_obj_enc_process(NvDsObjEncCtxHandle, NvDsObjEncUsrArgs *, NvBufSurface *, NvDsObjectMeta *, NvDsFrameMeta *);
/* Waits until all that was queued is encoded and attached. */
void nvds_obj_enc_finish(NvDsObjEncCtxHandle);
void nvds_obj_enc_destroy_context(NvDsObjEncCtxHandle);

#ifdef __cplusplus
}
#endif
#endif

// What the program relies on in DeepStream's headers: types of fields, signatures of functions, values of constants. It is
// compiled against the stand-in's headers in every build and against the SDK's where the SDK is, which keeps ours honest. Never
// run.
#include <type_traits>
#include <vector>

// The SDK's headers are not all complete in themselves: this order is the one that works.
#include <gst/gst.h>

#include "nvbufsurface.h"

#include "nvdsmeta.h"

#include "gstnvdsmeta.h"

#include "nvds_obj_encode.h"

#include "gst-nvevent.h"
#include "gst-nvmessage.h"
#include "gstnvdsinfer.h"
#include "nvds_version.h"
#include "nvdsinfer_custom_impl.h"

#define FIELD(S, f, T) static_assert(std::is_same_v<decltype(S::f), T>, #S "." #f)
#define LIST(S, f) static_assert(std::is_same_v<decltype(S::f), GList *>, #S "." #f)
#define FN(f, ...) static_assert(std::is_same_v<decltype(&f), __VA_ARGS__>, #f)
#define VALUE(c, v) static_assert(static_cast<unsigned long long>(c) == (v), #c)

FIELD(NvDsBaseMeta, batch_meta, NvDsBatchMeta *);
FIELD(NvDsBaseMeta, meta_type, NvDsMetaType);
FIELD(NvDsBaseMeta, uContext, void *);
FIELD(NvDsBaseMeta, copy_func, NvDsMetaCopyFunc);
FIELD(NvDsBaseMeta, release_func, NvDsMetaReleaseFunc);
static_assert(std::is_same_v<NvDsMetaCopyFunc, gpointer (*)(gpointer, gpointer)>);
static_assert(std::is_same_v<NvDsMetaReleaseFunc, void (*)(gpointer, gpointer)>);

FIELD(NvDsBatchMeta, max_frames_in_batch, guint);
FIELD(NvDsBatchMeta, num_frames_in_batch, guint);
LIST(NvDsBatchMeta, frame_meta_list);
LIST(NvDsBatchMeta, batch_user_meta_list);

FIELD(NvDsFrameMeta, pad_index, guint);
FIELD(NvDsFrameMeta, batch_id, guint);
FIELD(NvDsFrameMeta, frame_num, gint);
FIELD(NvDsFrameMeta, buf_pts, guint64);
FIELD(NvDsFrameMeta, ntp_timestamp, guint64);
FIELD(NvDsFrameMeta, source_id, guint);
FIELD(NvDsFrameMeta, num_surfaces_per_frame, gint);
FIELD(NvDsFrameMeta, source_frame_width, guint);
FIELD(NvDsFrameMeta, source_frame_height, guint);
FIELD(NvDsFrameMeta, surface_type, guint);
FIELD(NvDsFrameMeta, surface_index, guint);
FIELD(NvDsFrameMeta, num_obj_meta, guint);
FIELD(NvDsFrameMeta, bInferDone, gboolean);
FIELD(NvDsFrameMeta, pipeline_width, guint);
FIELD(NvDsFrameMeta, pipeline_height, guint);
LIST(NvDsFrameMeta, obj_meta_list);
LIST(NvDsFrameMeta, display_meta_list);
LIST(NvDsFrameMeta, frame_user_meta_list);

FIELD(NvDsObjectMeta, unique_component_id, gint);
FIELD(NvDsObjectMeta, class_id, gint);
FIELD(NvDsObjectMeta, object_id, guint64);
FIELD(NvDsObjectMeta, confidence, gfloat);
FIELD(NvDsObjectMeta, tracker_confidence, gfloat);
FIELD(NvDsObjectMeta, detector_bbox_info, NvDsComp_BboxInfo);
FIELD(NvDsObjectMeta, tracker_bbox_info, NvDsComp_BboxInfo);
FIELD(NvDsObjectMeta, rect_params, NvOSD_RectParams);
FIELD(NvDsObjectMeta, text_params, NvOSD_TextParams);
FIELD(NvDsObjectMeta, obj_label, gchar[128]);
FIELD(NvDsObjectMeta, misc_obj_info, gint64[4]);
LIST(NvDsObjectMeta, obj_user_meta_list);
static_assert(std::is_convertible_v<decltype(NvDsObjectMeta::parent), NvDsObjectMeta *>);
FIELD(NvDsComp_BboxInfo, org_bbox_coords, NvBbox_Coords);
FIELD(NvBbox_Coords, left, float);
FIELD(NvBbox_Coords, top, float);
FIELD(NvBbox_Coords, width, float);
FIELD(NvBbox_Coords, height, float);

FIELD(NvDsUserMeta, base_meta, NvDsBaseMeta);
FIELD(NvDsUserMeta, user_meta_data, void *);

FIELD(NvOSD_ColorParams, red, double);
FIELD(NvOSD_ColorParams, green, double);
FIELD(NvOSD_ColorParams, blue, double);
FIELD(NvOSD_ColorParams, alpha, double);
FIELD(NvOSD_RectParams, left, float);
FIELD(NvOSD_RectParams, top, float);
FIELD(NvOSD_RectParams, width, float);
FIELD(NvOSD_RectParams, height, float);
FIELD(NvOSD_RectParams, border_width, unsigned int);
FIELD(NvOSD_RectParams, border_color, NvOSD_ColorParams);
FIELD(NvOSD_RectParams, has_bg_color, unsigned int);
FIELD(NvOSD_RectParams, bg_color, NvOSD_ColorParams);
FIELD(NvOSD_TextParams, display_text, char *);
FIELD(NvOSD_TextParams, x_offset, unsigned int);
FIELD(NvOSD_TextParams, y_offset, unsigned int);
FIELD(NvOSD_TextParams, font_params, NvOSD_FontParams);
FIELD(NvOSD_TextParams, set_bg_clr, int);
FIELD(NvOSD_TextParams, text_bg_clr, NvOSD_ColorParams);
FIELD(NvOSD_FontParams, font_name, char *);
FIELD(NvOSD_FontParams, font_size, unsigned int);
FIELD(NvOSD_FontParams, font_color, NvOSD_ColorParams);

FIELD(NvDsObjEncUsrArgs, saveImg, bool);
FIELD(NvDsObjEncUsrArgs, attachUsrMeta, bool);
FIELD(NvDsObjEncUsrArgs, scaleImg, bool);
FIELD(NvDsObjEncUsrArgs, scaledWidth, int);
FIELD(NvDsObjEncUsrArgs, scaledHeight, int);
FIELD(NvDsObjEncUsrArgs, objNum, int);
FIELD(NvDsObjEncUsrArgs, quality, int);
FIELD(NvDsObjEncUsrArgs, isFrame, bool);
FIELD(NvDsObjEncOutParams, outBuffer, uint8_t *);
FIELD(NvDsObjEncOutParams, outLen, uint64_t);

FIELD(NvBufSurface, gpuId, uint32_t);
FIELD(NvBufSurface, batchSize, uint32_t);
FIELD(NvBufSurface, numFilled, uint32_t);
FIELD(NvBufSurface, memType, NvBufSurfaceMemType);
FIELD(NvBufSurface, surfaceList, NvBufSurfaceParams *);
FIELD(NvBufSurfaceParams, width, uint32_t);
FIELD(NvBufSurfaceParams, height, uint32_t);
FIELD(NvBufSurfaceParams, pitch, uint32_t);
FIELD(NvBufSurfaceParams, colorFormat, NvBufSurfaceColorFormat);
FIELD(NvBufSurfaceParams, dataSize, uint32_t);
FIELD(NvBufSurfaceParams, dataPtr, void *);
FIELD(NvBufSurfaceParams, planeParams, NvBufSurfacePlaneParams);
FIELD(NvBufSurfacePlaneParams, num_planes, uint32_t);
FIELD(NvBufSurfacePlaneParams, width, uint32_t[NVBUF_MAX_PLANES]);
FIELD(NvBufSurfacePlaneParams, height, uint32_t[NVBUF_MAX_PLANES]);
FIELD(NvBufSurfacePlaneParams, pitch, uint32_t[NVBUF_MAX_PLANES]);
FIELD(NvBufSurfacePlaneParams, offset, uint32_t[NVBUF_MAX_PLANES]);
FIELD(NvBufSurfacePlaneParams, bytesPerPix, uint32_t[NVBUF_MAX_PLANES]);

FIELD(NvDsInferLayerInfo, dataType, NvDsInferDataType);
FIELD(NvDsInferLayerInfo, inferDims, NvDsInferDims);
FIELD(NvDsInferLayerInfo, bindingIndex, int);
FIELD(NvDsInferLayerInfo, layerName, const char *);
FIELD(NvDsInferLayerInfo, buffer, void *);
FIELD(NvDsInferLayerInfo, isInput, int);
FIELD(NvDsInferDims, numDims, unsigned int);
FIELD(NvDsInferDims, d, unsigned int[8]);
FIELD(NvDsInferDims, numElements, unsigned int);
FIELD(NvDsInferNetworkInfo, width, unsigned int);
FIELD(NvDsInferNetworkInfo, height, unsigned int);
FIELD(NvDsInferNetworkInfo, channels, unsigned int);
FIELD(NvDsInferObjectDetectionInfo, classId, unsigned int);
FIELD(NvDsInferObjectDetectionInfo, left, float);
FIELD(NvDsInferObjectDetectionInfo, top, float);
FIELD(NvDsInferObjectDetectionInfo, width, float);
FIELD(NvDsInferObjectDetectionInfo, height, float);
FIELD(NvDsInferObjectDetectionInfo, detectionConfidence, float);
FIELD(NvDsInferParseDetectionParams, numClassesConfigured, unsigned int);
FIELD(NvDsInferParseDetectionParams, perClassPreclusterThreshold, std::vector<float>);
FIELD(NvDsInferParseDetectionParams, perClassPostclusterThreshold, std::vector<float>);
static_assert(std::is_same_v<NvDsInferParseCustomFunc,
                             bool (*)(std::vector<NvDsInferLayerInfo> const &, NvDsInferNetworkInfo const &,
                                      NvDsInferParseDetectionParams const &, std::vector<NvDsInferObjectDetectionInfo> &)>);
FIELD(NvDsInferTensorMeta, unique_id, guint);
FIELD(NvDsInferTensorMeta, num_output_layers, guint);
FIELD(NvDsInferTensorMeta, output_layers_info, NvDsInferLayerInfo *);
FIELD(NvDsInferTensorMeta, out_buf_ptrs_host, void **);
FIELD(NvDsInferTensorMeta, network_info, NvDsInferNetworkInfo);

FN(gst_buffer_get_nvds_batch_meta, NvDsBatchMeta *(*)(GstBuffer *));
FN(nvds_acquire_meta_lock, void (*)(NvDsBatchMeta *));
FN(nvds_release_meta_lock, void (*)(NvDsBatchMeta *));
FN(nvds_acquire_obj_meta_from_pool, NvDsObjectMeta *(*)(NvDsBatchMeta *));
FN(nvds_add_obj_meta_to_frame, void (*)(NvDsFrameMeta *, NvDsObjectMeta *, NvDsObjectMeta *));
FN(nvds_remove_obj_meta_from_frame, void (*)(NvDsFrameMeta *, NvDsObjectMeta *));
FN(nvds_acquire_user_meta_from_pool, NvDsUserMeta *(*)(NvDsBatchMeta *));
FN(nvds_add_user_meta_to_batch, void (*)(NvDsBatchMeta *, NvDsUserMeta *));
FN(nvds_add_user_meta_to_frame, void (*)(NvDsFrameMeta *, NvDsUserMeta *));
FN(nvds_add_user_meta_to_obj, void (*)(NvDsObjectMeta *, NvDsUserMeta *));
FN(nvds_remove_user_meta_from_object, void (*)(NvDsObjectMeta *, NvDsUserMeta *));
FN(nvds_get_user_meta_type, NvDsMetaType (*)(gchar *));
FN(nvds_acquire_display_meta_from_pool, NvDsDisplayMeta *(*)(NvDsBatchMeta *));
FN(nvds_add_display_meta_to_frame, void (*)(NvDsFrameMeta *, NvDsDisplayMeta *));
FN(nvds_obj_enc_create_context, NvDsObjEncCtxHandle (*)(int));
FN(nvds_obj_enc_process, bool (*)(NvDsObjEncCtxHandle, NvDsObjEncUsrArgs *, NvBufSurface *, NvDsObjectMeta *, NvDsFrameMeta *));
FN(nvds_obj_enc_finish, void (*)(NvDsObjEncCtxHandle));
FN(nvds_obj_enc_destroy_context, void (*)(NvDsObjEncCtxHandle));
FN(gst_nvmessage_is_stream_eos, gboolean (*)(GstMessage *));
FN(gst_nvmessage_parse_stream_eos, gboolean (*)(GstMessage *, guint *));
FN(gst_nvevent_parse_pad_added, void (*)(GstEvent *, guint *));
FN(gst_nvevent_parse_pad_deleted, void (*)(GstEvent *, guint *));
FN(gst_nvevent_parse_stream_eos, void (*)(GstEvent *, guint *));
FN(gst_nvevent_parse_stream_reset, void (*)(GstEvent *, guint *));
FN(nvds_version, void (*)(unsigned int *, unsigned int *));

VALUE(UNTRACKED_OBJECT_ID, 0xFFFFFFFFFFFFFFFFULL);
VALUE(MAX_LABEL_SIZE, 128);
VALUE(NVDSINFER_TENSOR_OUTPUT_META, 12);
VALUE(NVDS_CROP_IMAGE_META, 14);
VALUE(NVDS_GST_CUSTOM_META, 4096);
VALUE(NVDS_BATCH_GST_META, 4097);
VALUE(NVDS_START_USER_META, 8193);
VALUE(NVBUF_COLOR_FORMAT_NV12, 6);
VALUE(NVBUF_COLOR_FORMAT_RGBA, 19);
VALUE(NVBUF_MAX_PLANES, 4);
VALUE(NVBUF_MEM_DEFAULT, 0);
VALUE(NVBUF_MEM_CUDA_PINNED, 1);
VALUE(NVBUF_MEM_CUDA_DEVICE, 2);
VALUE(NVBUF_MEM_CUDA_UNIFIED, 3);
VALUE(NVBUF_MEM_SURFACE_ARRAY, 4);
VALUE(FLOAT, 0);
VALUE(HALF, 1);
VALUE(INT8, 2);
VALUE(INT32, 3);
VALUE(INT64, 4);
VALUE(UINT8, 5);
constexpr auto kSticky =
    GST_EVENT_TYPE_DOWNSTREAM | GST_EVENT_TYPE_SERIALIZED | GST_EVENT_TYPE_STICKY | GST_EVENT_TYPE_STICKY_MULTI;
VALUE(GST_NVEVENT_PAD_ADDED, static_cast<unsigned long long>(GST_EVENT_MAKE_TYPE(400, kSticky)));
VALUE(GST_NVEVENT_PAD_DELETED, static_cast<unsigned long long>(GST_EVENT_MAKE_TYPE(401, kSticky)));
VALUE(GST_NVEVENT_STREAM_EOS, static_cast<unsigned long long>(GST_EVENT_MAKE_TYPE(402, kSticky)));
VALUE(GST_NVEVENT_STREAM_RESET, static_cast<unsigned long long>(GST_EVENT_MAKE_TYPE(404, kSticky)));

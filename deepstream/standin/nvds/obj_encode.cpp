// nvds_obj_enc on the processor: crops are queued by process and encoded by finish, with libjpeg out of NV12.
#include <gst/gst.h>

#include "nvbufsurface.h"

#include "gstnvdsmeta.h"

#include "nvds_obj_encode.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include "control.h"
#include "jpeg.h"
#include "surface.h"

namespace {

constexpr int kDefaultQuality = 85;

struct Job {
  NvDsObjEncUsrArgs args;
  const NvBufSurface *surface;
  uint32_t index;
  standin::CropArea area;
  NvDsObjectMeta *object;
  NvDsFrameMeta *frame;
};

gpointer copy_jpeg(gpointer data, gpointer) {
  const auto *from = static_cast<NvDsObjEncOutParams *>(static_cast<NvDsUserMeta *>(data)->user_meta_data);
  auto *to = g_new0(NvDsObjEncOutParams, 1);
  to->outBuffer = static_cast<uint8_t *>(g_memdup2(from->outBuffer, from->outLen));
  to->outLen = from->outLen;
  return to;
}

void release_jpeg(gpointer data, gpointer) {
  auto *user = static_cast<NvDsUserMeta *>(data);
  auto *out = static_cast<NvDsObjEncOutParams *>(user->user_meta_data);
  g_free(out->outBuffer);
  g_free(out);
  user->user_meta_data = nullptr;
}

/** What of the rectangle lies in the picture, on even pixels; nothing when nothing does. */
std::optional<standin::CropArea> inside(const NvOSD_RectParams &rect, uint32_t width, uint32_t height) {
  if (!std::isfinite(rect.left) || !std::isfinite(rect.top) || !std::isfinite(rect.width) || !std::isfinite(rect.height))
    return std::nullopt;
  const auto cut = [](float value, uint32_t limit) {
    return static_cast<uint32_t>(std::fmin(std::fmax(value, 0.0F), static_cast<float>(limit)));
  };
  const uint32_t left = cut(rect.left, width) & ~1U;
  const uint32_t top = cut(rect.top, height) & ~1U;
  const uint32_t right = cut(rect.left + rect.width, width) & ~1U;
  const uint32_t bottom = cut(rect.top + rect.height, height) & ~1U;
  if (right <= left || bottom <= top) return std::nullopt;
  return standin::CropArea{left, top, right - left, bottom - top};
}

void attach(const Job &job, const std::vector<uint8_t> &jpeg) {
  NvDsBatchMeta *batch = job.frame->base_meta.batch_meta;
  NvDsUserMeta *user = nvds_acquire_user_meta_from_pool(batch);
  auto *out = g_new0(NvDsObjEncOutParams, 1);
  out->outBuffer = static_cast<uint8_t *>(g_memdup2(jpeg.data(), jpeg.size()));
  out->outLen = jpeg.size();
  user->user_meta_data = out;
  user->base_meta.meta_type = NVDS_CROP_IMAGE_META;
  user->base_meta.copy_func = copy_jpeg;
  user->base_meta.release_func = release_jpeg;
  if (job.args.isFrame) {
    nvds_add_user_meta_to_frame(job.frame, user);
  } else {
    nvds_add_user_meta_to_obj(job.object, user);
  }
}

void save(const char *path, const std::vector<uint8_t> &jpeg) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char *>(jpeg.data()), static_cast<std::streamsize>(jpeg.size()));
  if (!file.good()) g_warning("nvds_obj_enc: %s cannot be written", path);
}

} // namespace

struct _NvDsObjEncCtx {
  std::vector<Job> jobs;
};

extern "C" {

NvDsObjEncCtxHandle nvds_obj_enc_create_context(int) {
  return new _NvDsObjEncCtx();
}

bool nvds_obj_enc_process(NvDsObjEncCtxHandle context, NvDsObjEncUsrArgs *args, NvBufSurface *surface, NvDsObjectMeta *object,
                          NvDsFrameMeta *frame) {
  if (context == nullptr || args == nullptr || surface == nullptr || frame == nullptr) return false;
  if (object == nullptr && !args->isFrame) return false;
  if (frame->batch_id >= surface->numFilled || standin::control_flag("/crops/refuse")) return false;
  const NvBufSurfaceParams &params = surface->surfaceList[frame->batch_id];
  if (params.colorFormat != NVBUF_COLOR_FORMAT_NV12) return false;
  NvOSD_RectParams rect{};
  if (args->isFrame) {
    rect.width = static_cast<float>(params.width);
    rect.height = static_cast<float>(params.height);
  } else {
    rect = object->rect_params;
  }
  const auto area = inside(rect, params.width, params.height);
  if (!area.has_value()) return false;
  if (args->scaleImg) {
    if (args->scaledWidth <= 0 || args->scaledHeight <= 0) return false;
    if (static_cast<uint32_t>(args->scaledWidth) > params.width || static_cast<uint32_t>(args->scaledHeight) > params.height)
      return false;
  }
  context->jobs.push_back({*args, surface, frame->batch_id, *area, object, frame});
  return true;
}

void nvds_obj_enc_finish(NvDsObjEncCtxHandle context) {
  const bool silent = standin::control_flag("/crops/noMeta");
  for (const Job &job : context->jobs) {
    const uint32_t width = job.args.scaleImg ? static_cast<uint32_t>(job.args.scaledWidth) : job.area.width;
    const uint32_t height = job.args.scaleImg ? static_cast<uint32_t>(job.args.scaledHeight) : job.area.height;
    const int quality = job.args.quality > 0 ? job.args.quality : kDefaultQuality;
    const std::vector<uint8_t> jpeg =
        standin::jpeg_of_nv12(standin::plane_of(job.surface, job.index, 0), standin::plane_of(job.surface, job.index, 1),
                              job.area, width, height, quality);
    if (jpeg.empty() || silent) continue;
    if (job.args.saveImg) save(job.args.fileNameImg, jpeg);
    if (job.args.attachUsrMeta) attach(job, jpeg);
  }
  context->jobs.clear();
}

void nvds_obj_enc_destroy_context(NvDsObjEncCtxHandle context) {
  delete context;
}
}

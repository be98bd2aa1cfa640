#pragma once

#include <gst/gst.h>

#include <nvbufsurface.h>

#include <nvdsmeta.h>

#include <gstnvdsmeta.h>

#include <nvds_obj_encode.h>
#include <string>
#include <vector>

#include "crops.h"

namespace sightline::app {

/** Crops of one batch by nvds_obj_enc: asked for frame by frame, encoded together, read before the probe ends. */
class CropEncoder {
public:
  explicit CropEncoder(int gpu) : context_(nvds_obj_enc_create_context(gpu)) {}
  ~CropEncoder() {
    if (context_ != nullptr) nvds_obj_enc_destroy_context(context_);
  }
  CropEncoder(const CropEncoder &) = delete;
  CropEncoder &operator=(const CropEncoder &) = delete;

  /** Asks for a crop; `jpeg` is filled by `finish` and must stand till then. False when the encoder refuses. */
  bool add(NvBufSurface *surface, NvDsFrameMeta *frame, const CropCut &cut, int quality, std::string *jpeg);
  /** Fills what was asked for; a crop that was not made stays empty. */
  void finish();

private:
  struct Asked {
    NvDsFrameMeta *frame;
    NvDsObjectMeta *object;
    std::string *jpeg;
  };

  NvDsObjEncCtxHandle context_;
  std::vector<Asked> asked_;
};

} // namespace sightline::app

// What the files of the API library share about metadata.
#pragma once

#include <atomic>

#include "pool.h"

namespace standin {

struct Pools {
  Pool<NvDsFrameMeta> frame{"frame", NVDS_FRAME_META};
  Pool<NvDsObjectMeta> object{"object", NVDS_OBJ_META};
  Pool<NvDsDisplayMeta> display{"display", NVDS_DISPLAY_META};
  Pool<NvDsUserMeta> user{"user", NVDS_USER_META};
};
Pools &pools();

/** A deep copy of one frame, added to `batch`. */
NvDsFrameMeta *copy_frame(NvDsBatchMeta *batch, const NvDsFrameMeta *from);

/** How many batches exist. A process that ends with 0 while some do has leaked them, and dies (batches_alive.cpp). */
std::atomic<int> &batches_alive();

} // namespace standin

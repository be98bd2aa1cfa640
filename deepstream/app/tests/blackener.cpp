#include "blackener.h"

#include <catch2/catch.hpp>

using namespace sightline::app;

namespace {

std::string reason(NvBufSurfaceMemType type, bool integrated) {
  NvBufSurface surface{};
  surface.memType = type;
  NvBufSurfaceParams picture{};
  picture.colorFormat = NVBUF_COLOR_FORMAT_NV12;
  picture.planeParams.num_planes = 2;
  picture.planeParams.bytesPerPix[0] = 1;
  picture.planeParams.bytesPerPix[1] = 2;
  return unfit(surface, picture, integrated);
}

} // namespace

TEST_CASE("the default memory is the card's own, and none that CUDA writes to on a Jetson") {
  CHECK(reason(NVBUF_MEM_DEFAULT, false).empty());
  CHECK(reason(NVBUF_MEM_DEFAULT, true) == "their memory is of type 0, not CUDA's, as on a Jetson");
  for (const bool integrated : {false, true}) {
    for (const auto type : {NVBUF_MEM_CUDA_PINNED, NVBUF_MEM_CUDA_DEVICE, NVBUF_MEM_CUDA_UNIFIED})
      CHECK(reason(type, integrated).empty());
    CHECK_FALSE(reason(NVBUF_MEM_SURFACE_ARRAY, integrated).empty());
  }
}

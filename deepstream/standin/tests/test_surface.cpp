// The card's memory: no program reads its pixels, and a view shows them all the same.
#include <catch2/catch.hpp>

#include <csignal>

#include "launch.h"
#include "surface.h"

extern "C" {
int cuInit(unsigned flags);
int cuDevicePrimaryCtxRetain(void **context, int device);
int cuCtxPushCurrent_v2(void *context);
int cuCtxPopCurrent_v2(void **context);
int cuMemsetD2D8Async(unsigned long long to, size_t pitch, unsigned char value, size_t width, size_t height, void *stream);
int cuStreamSynchronize(void *stream);
}

using namespace standin;
using standin_test::in_child;

namespace {

SurfaceSpec spec(NvBufSurfaceMemType memory) {
  SurfaceSpec made;
  made.batch = 3;
  made.width = 101;
  made.height = 50;
  made.memory = memory;
  return made;
}

GstBuffer *buffer_of(GstMemory *memory) {
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, memory);
  return buffer;
}

} // namespace

TEST_CASE("a mapped buffer is an NvBufSurface whose pixels cannot be touched") {
  GstBuffer *buffer = buffer_of(nvmm_new(spec(NVBUF_MEM_DEFAULT)));
  GstMapInfo map;
  REQUIRE(gst_buffer_map(buffer, &map, GST_MAP_READ));
  auto *surface = reinterpret_cast<NvBufSurface *>(map.data);
  gst_buffer_unmap(buffer, &map);
  CHECK(surface == surface_of(buffer));
  CHECK(surface->memType == NVBUF_MEM_CUDA_DEVICE);
  REQUIRE(surface->batchSize == 3);
  const NvBufSurfaceParams &params = surface->surfaceList[2];
  CHECK(params.width == 101);
  CHECK(params.pitch == 256);
  CHECK(params.planeParams.num_planes == 2);
  CHECK(params.planeParams.width[1] == 51);
  CHECK(NvBufSurfaceMap(surface, 0, -1, NVBUF_MAP_READ) == -1);
  CHECK(NvBufSurfaceSyncForCpu(surface, 0, -1) == -1);
  CHECK(in_child([&] { std::exit(*static_cast<volatile uint8_t *>(params.dataPtr) == 0 ? 3 : 4); }).signal == SIGSEGV);
  gst_buffer_unref(buffer);
}

TEST_CASE("unified memory can be mapped") {
  GstBuffer *buffer = buffer_of(nvmm_new(spec(NVBUF_MEM_CUDA_UNIFIED)));
  NvBufSurface *surface = surface_of(buffer);
  plane_of(surface, 1, 0).data[5] = 77;
  REQUIRE(NvBufSurfaceMap(surface, 1, 0, NVBUF_MAP_READ) == 0);
  CHECK(NvBufSurfaceSyncForCpu(surface, 1, 0) == 0);
  CHECK(static_cast<uint8_t *>(surface->surfaceList[1].mappedAddr.addr[0])[5] == 77);
  CHECK(surface->surfaceList[0].mappedAddr.addr[0] == nullptr);
  CHECK(NvBufSurfaceUnMap(surface, 1, 0) == 0);
  CHECK(surface->surfaceList[1].mappedAddr.addr[0] == nullptr);
  CHECK(NvBufSurfaceMap(surface, 3, 0, NVBUF_MAP_READ) == -1);
  gst_buffer_unref(buffer);
}

TEST_CASE("CUDA's driver writes to the card's memory alone, and in a context alone") {
  GstBuffer *buffer = buffer_of(nvmm_new(spec(NVBUF_MEM_DEFAULT)));
  NvBufSurface *surface = surface_of(buffer);
  const NvBufSurfaceParams &params = surface->surfaceList[2];
  const auto luma = reinterpret_cast<uint64_t>(params.dataPtr);
  CHECK(cuMemsetD2D8Async(luma, params.pitch, 9, 4, 2, nullptr) == 201);
  void *context = nullptr;
  REQUIRE(cuInit(0) == 0);
  REQUIRE(cuDevicePrimaryCtxRetain(&context, 0) == 0);
  REQUIRE(cuCtxPushCurrent_v2(context) == 0);
  CHECK(cuMemsetD2D8Async(luma + params.pitch + 3, params.pitch, 9, 4, 2, nullptr) == 0);
  const Plane plane = plane_of(surface, 2, 0);
  CHECK(plane.data[params.pitch + 3] == 0);
  REQUIRE(cuStreamSynchronize(nullptr) == 0);
  CHECK(plane.data[params.pitch + 2] == 0);
  CHECK(plane.data[params.pitch + 3] == 9);
  CHECK(plane.data[2 * params.pitch + 6] == 9);
  CHECK(plane.data[3 * params.pitch + 3] == 0);
  // Beyond the last picture, and on the stack.
  CHECK(cuMemsetD2D8Async(luma + params.dataSize, params.pitch, 9, 4, 1, nullptr) == 1);
  CHECK(cuMemsetD2D8Async(reinterpret_cast<uint64_t>(&context), 8, 9, 4, 1, nullptr) == 1);
  CHECK(cuCtxPopCurrent_v2(&context) == 0);
  CHECK(cuStreamSynchronize(nullptr) == 201);
  gst_buffer_unref(buffer);
}

TEST_CASE("a view of one surface outlives the batch's buffer") {
  GstBuffer *batch = buffer_of(nvmm_new(spec(NVBUF_MEM_DEFAULT)));
  plane_of(surface_of(batch), 2, 0).data[0] = 200;
  GstBuffer *one = buffer_of(nvmm_view(gst_buffer_peek_memory(batch, 0), 2));
  gst_buffer_unref(batch);
  CHECK(surface_of(one)->batchSize == 1);
  CHECK(surface_of(one)->numFilled == 1);
  CHECK(plane_of(surface_of(one), 0, 0).data[0] == 200);
  gst_buffer_unref(one);
}

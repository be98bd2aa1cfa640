#include "blackener.h"

#include <algorithm>
#include <cstdint>
#include <dlfcn.h>

#include "functions.h"

namespace sightline::app {

struct CudaDriver {
  int (*init)(unsigned flags) = nullptr;
  int (*device_get)(int *device, int ordinal) = nullptr;
  int (*attribute)(int *value, int attribute, int device) = nullptr;
  int (*retain)(void **context, int device) = nullptr;
  int (*release)(int device) = nullptr;
  int (*push)(void *context) = nullptr;
  int (*pop)(void **context) = nullptr;
  int (*memset_2d)(unsigned long long to, std::size_t pitch, unsigned char value, std::size_t width, std::size_t height,
                   void *stream) = nullptr;
  int (*synchronize)(void *stream) = nullptr;
};

namespace {

/**
 * The default stream, which waits for what other streams of its context have begun: of those that are blocking alone.
 * UNCONFIRMED: that the multiplexer writes its pictures on such streams of the primary context, or has waited for them before
 * it pushes a batch. Otherwise a picture may be written over its mask.
 */
constexpr void *default_stream = nullptr;
/** Black in limited and in full range: what lies below limited range is clipped to it. */
constexpr unsigned char black_luma = 0;
constexpr unsigned char neutral_chroma = 128;
/** CU_DEVICE_ATTRIBUTE_INTEGRATED: 1 for a GPU that shares the machine's memory. */
constexpr int is_integrated = 18;

/** nullptr where there is no driver. */
const CudaDriver *the_driver() {
  static const auto *found = []() -> const CudaDriver * {
    // DeepStream's libraries have it loaded already.
    void *library = RTLD_DEFAULT;
    if (dlsym(library, "cuInit") == nullptr) library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr && dlsym(RTLD_DEFAULT, "cuInit") == nullptr) return nullptr;
    static CudaDriver driver;
    const auto find = [library](const char *name, auto &into) { return find_function(library, name, into); };
    const bool whole = find("cuInit", driver.init) && find("cuDeviceGet", driver.device_get) &&
                       find("cuDeviceGetAttribute", driver.attribute) && find("cuDevicePrimaryCtxRetain", driver.retain) &&
                       find("cuDevicePrimaryCtxRelease_v2", driver.release) && find("cuCtxPushCurrent_v2", driver.push) &&
                       find("cuCtxPopCurrent_v2", driver.pop) && find("cuMemsetD2D8Async", driver.memset_2d) &&
                       find("cuStreamSynchronize", driver.synchronize);
    return whole ? &driver : nullptr;
  }();
  return found;
}

MaskFault failure(const char *what, int code) {
  return {std::string("CUDA cannot ") + what + ": error " + std::to_string(code)};
}

/** `integrated`: of the GPU. NVIDIA's documentation of `NvBufSurfaceMemType`: the default is memory of the card, and a surface
 * array on a Jetson. */
bool is_cuda_memory(NvBufSurfaceMemType type, bool integrated) {
  if (type == NVBUF_MEM_DEFAULT) return !integrated;
  return type == NVBUF_MEM_CUDA_DEVICE || type == NVBUF_MEM_CUDA_PINNED || type == NVBUF_MEM_CUDA_UNIFIED;
}

} // namespace

std::string unfit(const NvBufSurface &surface, const NvBufSurfaceParams &picture, bool integrated) {
  if (!is_cuda_memory(surface.memType, integrated))
    return "their memory is of type " + std::to_string(static_cast<int>(surface.memType)) + ", not CUDA's, as on a Jetson";
  const auto &planes = picture.planeParams;
  if (planes.num_planes != 2 || planes.bytesPerPix[0] != 1 || planes.bytesPerPix[1] != 2)
    return "their colour format " + std::to_string(static_cast<int>(picture.colorFormat)) + " is not NV12";
  return "";
}

Blackener::~Blackener() {
  if (context_ != nullptr) driver_->release(device_);
}

std::optional<MaskFault> Blackener::open() {
  if (context_ != nullptr) return std::nullopt;
  driver_ = the_driver();
  if (driver_ == nullptr) return MaskFault{"there is no CUDA driver", true};
  if (const int code = driver_->init(0)) return failure("begin", code);
  if (const int code = driver_->device_get(&device_, static_cast<int>(gpu_))) return failure("find the GPU", code);
  int integrated = 0;
  if (const int code = driver_->attribute(&integrated, is_integrated, device_)) return failure("ask for the GPU's kind", code);
  integrated_ = integrated != 0;
  if (const int code = driver_->retain(&context_, device_)) {
    context_ = nullptr;
    return failure("use the GPU", code);
  }
  return std::nullopt;
}

std::optional<MaskFault> Blackener::blacken(const NvBufSurface &surface, const std::vector<MaskedPicture> &pictures) {
  if (pictures.empty()) return std::nullopt;
  if (auto fault = open()) return fault;
  for (const auto &[index, strips] : pictures) {
    if (index >= surface.numFilled) return MaskFault{"it is not in its batch"};
    if (auto reason = unfit(surface, surface.surfaceList[index], integrated_); !reason.empty())
      return MaskFault{std::move(reason), true};
  }
  if (const int code = driver_->push(context_)) return failure("use the GPU", code);
  int code = 0;
  const auto fill = [&](const NvBufSurfaceParams &picture, unsigned plane, unsigned char value, const Strip &strip,
                        unsigned share) {
    const auto &planes = picture.planeParams;
    const unsigned bytes = planes.bytesPerPix[plane];
    const unsigned left = strip.left / share;
    const unsigned top = strip.top / share;
    if (left >= planes.width[plane] || top >= planes.height[plane] || code != 0) return;
    const unsigned width = std::min(strip.width / share, planes.width[plane] - left);
    const unsigned height = std::min(strip.height / share, planes.height[plane] - top);
    const std::size_t pitch = planes.pitch[plane];
    const auto first = reinterpret_cast<std::uintptr_t>(picture.dataPtr) + planes.offset[plane];
    code = driver_->memset_2d(first + top * pitch + std::size_t{left} * bytes, pitch, value, std::size_t{width} * bytes, height,
                              default_stream);
  };
  for (const auto &[index, strips] : pictures)
    for (const Strip &strip : *strips) {
      fill(surface.surfaceList[index], 0, black_luma, strip, 1);
      fill(surface.surfaceList[index], 1, neutral_chroma, strip, 2);
    }
  const int waited = driver_->synchronize(default_stream);
  void *ours = nullptr;
  driver_->pop(&ours);
  if (code != 0 || waited != 0) return failure("write to it", code != 0 ? code : waited);
  return std::nullopt;
}

} // namespace sightline::app

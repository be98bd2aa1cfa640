// The few functions of CUDA's driver that the program finds by name, over the memory that faults. As strict: a context of the
// thread, and memory that is the card's.
#include <cstddef>
#include <cstring>
#include <vector>

#include "control.h"
#include "surface.h"

namespace {

constexpr int kOk = 0;
constexpr int kInvalidValue = 1;
constexpr int kInvalidDevice = 101;
constexpr int kInvalidContext = 201;

int the_context = 0;
thread_local int pushed = 0;

/** A card may do nothing before it is waited for: so does this. */
struct Fill {
  uint8_t *to;
  std::size_t pitch;
  unsigned char value;
  std::size_t width;
  std::size_t height;
};
thread_local std::vector<Fill> waiting;

} // namespace

#define STANDIN_CUDA extern "C" __attribute__((visibility("default")))

STANDIN_CUDA int cuInit(unsigned flags) {
  return flags == 0 ? kOk : kInvalidValue;
}

STANDIN_CUDA int cuDeviceGet(int *device, int ordinal) {
  if (ordinal != 0) return kInvalidDevice;
  *device = ordinal;
  return kOk;
}

/** CU_DEVICE_ATTRIBUTE_INTEGRATED alone: it is a card of its own. */
STANDIN_CUDA int cuDeviceGetAttribute(int *value, int attribute, int device) {
  if (device != 0) return kInvalidDevice;
  if (attribute != 18) return kInvalidValue;
  *value = 0;
  return kOk;
}

STANDIN_CUDA int cuDevicePrimaryCtxRetain(void **context, int device) {
  if (device != 0) return kInvalidDevice;
  *context = &the_context;
  return kOk;
}

STANDIN_CUDA int cuDevicePrimaryCtxRelease_v2(int device) {
  return device == 0 ? kOk : kInvalidDevice;
}

STANDIN_CUDA int cuCtxPushCurrent_v2(void *context) {
  if (context != &the_context) return kInvalidContext;
  pushed += 1;
  return kOk;
}

STANDIN_CUDA int cuCtxPopCurrent_v2(void **context) {
  if (pushed == 0) return kInvalidContext;
  pushed -= 1;
  *context = &the_context;
  return kOk;
}

STANDIN_CUDA int cuMemsetD2D8Async(unsigned long long to, std::size_t pitch, unsigned char value, std::size_t width,
                                   std::size_t height, void *) {
  if (pushed == 0) return kInvalidContext;
  if (standin::control_flag("/cuda/refuse") || width > pitch || height == 0) return kInvalidValue;
  uint8_t *at = standin::pixels_behind(to, (height - 1) * pitch + width);
  if (at == nullptr) return kInvalidValue;
  waiting.push_back({at, pitch, value, width, height});
  return kOk;
}

STANDIN_CUDA int cuStreamSynchronize(void *) {
  if (pushed == 0) return kInvalidContext;
  for (const Fill &fill : waiting)
    for (std::size_t row = 0; row < fill.height; ++row) std::memset(fill.to + row * fill.pitch, fill.value, fill.width);
  waiting.clear();
  return kOk;
}

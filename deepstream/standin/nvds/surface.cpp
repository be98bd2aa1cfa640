#include "surface.h"

#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr uint32_t kPitchAlign = 256;
constexpr const char *kMemoryType = "StandinNVMM";

uint32_t aligned(uint32_t value) {
  return (value + kPitchAlign - 1) / kPitchAlign * kPitchAlign;
}

class TwoMappings;
/** All that there are, by the address that the program has. */
struct Known {
  std::mutex mutex;
  std::map<uint64_t, const TwoMappings *> mappings;
};
Known &known() {
  static auto *all = new Known();
  return *all;
}

/** Two mappings of one anonymous file: one to work in, one that faults. */
class TwoMappings {
public:
  static TwoMappings *open(size_t size) {
    const int file = memfd_create("standin-nvmm", MFD_CLOEXEC);
    if (file < 0) return nullptr;
    void *work = MAP_FAILED;
    void *guard = MAP_FAILED;
    if (ftruncate(file, static_cast<off_t>(size)) == 0) {
      work = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
      guard = mmap(nullptr, size, PROT_NONE, MAP_SHARED, file, 0);
    }
    close(file);
    if (work == MAP_FAILED || guard == MAP_FAILED) {
      if (work != MAP_FAILED) munmap(work, size);
      if (guard != MAP_FAILED) munmap(guard, size);
      return nullptr;
    }
    return new TwoMappings(static_cast<uint8_t *>(work), static_cast<uint8_t *>(guard), size);
  }
  ~TwoMappings() {
    {
      const std::lock_guard lock(known().mutex);
      for (const uint8_t *at : {work_, guard_}) known().mappings.erase(reinterpret_cast<uint64_t>(at));
    }
    munmap(work_, size_);
    munmap(guard_, size_);
  }
  TwoMappings(const TwoMappings &) = delete;
  TwoMappings &operator=(const TwoMappings &) = delete;

  uint8_t *work() const { return work_; }
  uint8_t *guard() const { return guard_; }
  size_t size() const { return size_; }

private:
  TwoMappings(uint8_t *work, uint8_t *guard, size_t size) : work_(work), guard_(guard), size_(size) {
    const std::lock_guard lock(known().mutex);
    // Unified memory has one address for both.
    for (const uint8_t *at : {work_, guard_}) known().mappings[reinterpret_cast<uint64_t>(at)] = this;
  }
  uint8_t *work_;
  uint8_t *guard_;
  size_t size_;
};

/** What NvBufSurface._reserved[0] leads to. */
struct Frames {
  std::vector<NvBufSurfaceParams> params;
  std::vector<uint8_t *> pixels;
};

struct NvmmMemory {
  GstMemory memory;
  NvBufSurface surface;
  Frames *frames;
  TwoMappings *mappings;
  /** Of a view: whose pixels these are. */
  GstMemory *owner;
};

struct NvmmAllocator {
  GstAllocator parent;
};
struct NvmmAllocatorClass {
  GstAllocatorClass parent;
};
G_DEFINE_TYPE(NvmmAllocator, standin_nvmm_allocator, GST_TYPE_ALLOCATOR)

void free_memory(GstAllocator *, GstMemory *memory) {
  auto *own = reinterpret_cast<NvmmMemory *>(memory);
  delete own->frames;
  delete own->mappings;
  if (own->owner != nullptr) gst_memory_unref(own->owner);
  g_free(own);
}

gpointer map_memory(GstMemory *memory, gsize, GstMapFlags) {
  return &reinterpret_cast<NvmmMemory *>(memory)->surface;
}
void unmap_memory(GstMemory *) {}

void standin_nvmm_allocator_class_init(NvmmAllocatorClass *klass) {
  auto *allocator = GST_ALLOCATOR_CLASS(klass);
  allocator->alloc = nullptr;
  allocator->free = free_memory;
}

void standin_nvmm_allocator_init(NvmmAllocator *self) {
  auto *allocator = GST_ALLOCATOR_CAST(self);
  allocator->mem_type = kMemoryType;
  allocator->mem_map = map_memory;
  allocator->mem_unmap = unmap_memory;
  GST_OBJECT_FLAG_SET(allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

GstAllocator *the_allocator() {
  static auto *allocator =
      static_cast<GstAllocator *>(gst_object_ref_sink(g_object_new(standin_nvmm_allocator_get_type(), nullptr)));
  return allocator;
}

void add_plane(NvBufSurfaceParams *params, uint32_t width, uint32_t height, uint32_t bytes) {
  NvBufSurfacePlaneParams *planes = &params->planeParams;
  const uint32_t i = planes->num_planes++;
  planes->width[i] = width;
  planes->height[i] = height;
  planes->bytesPerPix[i] = bytes;
  planes->pitch[i] = aligned(width * bytes);
  planes->offset[i] = params->dataSize;
  planes->psize[i] = planes->pitch[i] * height;
  params->dataSize += planes->psize[i];
}

NvBufSurfaceParams layout(const standin::SurfaceSpec &spec) {
  NvBufSurfaceParams params{};
  params.width = spec.width;
  params.height = spec.height;
  params.colorFormat = spec.format;
  const uint32_t half_width = (spec.width + 1) / 2;
  const uint32_t half_height = (spec.height + 1) / 2;
  switch (spec.format) {
  case NVBUF_COLOR_FORMAT_RGBA:
    add_plane(&params, spec.width, spec.height, 4);
    break;
  case NVBUF_COLOR_FORMAT_YUV420:
    add_plane(&params, spec.width, spec.height, 1);
    add_plane(&params, half_width, half_height, 1);
    add_plane(&params, half_width, half_height, 1);
    break;
  default:
    add_plane(&params, spec.width, spec.height, 1);
    add_plane(&params, half_width, half_height, 2);
    break;
  }
  params.pitch = params.planeParams.pitch[0];
  return params;
}

NvmmMemory *make(uint32_t batch, GstMemory *owner) {
  auto *own = g_new0(NvmmMemory, 1);
  own->frames = new Frames();
  own->frames->params.resize(batch);
  own->frames->pixels.resize(batch);
  own->owner = owner;
  own->surface.batchSize = batch;
  own->surface.isContiguous = true;
  own->surface.surfaceList = own->frames->params.data();
  own->surface._reserved[0] = own->frames;
  gst_memory_init(GST_MEMORY_CAST(own), GST_MEMORY_FLAG_NO_SHARE, the_allocator(), nullptr, sizeof(NvBufSurface), 0, 0,
                  sizeof(NvBufSurface));
  return own;
}

bool mappable(const NvBufSurface *surface, int index) {
  return surface != nullptr && surface->memType == NVBUF_MEM_CUDA_UNIFIED && index >= -1 &&
         index < static_cast<int>(surface->batchSize);
}

} // namespace

namespace standin {

GstMemory *nvmm_new(const SurfaceSpec &spec) {
  NvBufSurfaceParams params = layout(spec);
  TwoMappings *mappings = TwoMappings::open(static_cast<size_t>(params.dataSize) * spec.batch);
  if (mappings == nullptr) return nullptr;
  NvmmMemory *own = make(spec.batch, nullptr);
  own->mappings = mappings;
  own->surface.gpuId = spec.gpu;
  own->surface.memType = spec.memory == NVBUF_MEM_DEFAULT ? NVBUF_MEM_CUDA_DEVICE : spec.memory;
  const bool unified = own->surface.memType == NVBUF_MEM_CUDA_UNIFIED;
  for (uint32_t i = 0; i < spec.batch; ++i) {
    const size_t offset = static_cast<size_t>(params.dataSize) * i;
    params.dataPtr = (unified ? mappings->work() : mappings->guard()) + offset;
    own->frames->params[i] = params;
    own->frames->pixels[i] = mappings->work() + offset;
  }
  return GST_MEMORY_CAST(own);
}

GstMemory *nvmm_view(GstMemory *parent, uint32_t index) {
  auto *from = reinterpret_cast<NvmmMemory *>(parent);
  NvmmMemory *own = make(1, gst_memory_ref(parent));
  own->surface.gpuId = from->surface.gpuId;
  own->surface.memType = from->surface.memType;
  own->surface.numFilled = 1;
  own->frames->params[0] = from->frames->params[index];
  own->frames->pixels[0] = from->frames->pixels[index];
  return GST_MEMORY_CAST(own);
}

bool is_nvmm(const GstMemory *memory) {
  return memory != nullptr && memory->allocator != nullptr && g_strcmp0(memory->allocator->mem_type, kMemoryType) == 0;
}

NvBufSurface *surface_of(GstBuffer *buffer) {
  if (gst_buffer_n_memory(buffer) != 1) return nullptr;
  GstMemory *memory = gst_buffer_peek_memory(buffer, 0);
  return is_nvmm(memory) ? &reinterpret_cast<NvmmMemory *>(memory)->surface : nullptr;
}

Plane plane_of(const NvBufSurface *surface, uint32_t index, uint32_t plane) {
  const auto *frames = static_cast<const Frames *>(surface->_reserved[0]);
  const NvBufSurfacePlaneParams &params = frames->params[index].planeParams;
  return {frames->pixels[index] + params.offset[plane], params.pitch[plane], params.width[plane], params.height[plane]};
}

uint8_t *pixels_behind(uint64_t address, size_t size) {
  const std::lock_guard lock(known().mutex);
  auto after = known().mappings.upper_bound(address);
  if (after == known().mappings.begin()) return nullptr;
  const auto &[begin, mappings] = *std::prev(after);
  const uint64_t offset = address - begin;
  return offset > mappings->size() || size > mappings->size() - offset ? nullptr : mappings->work() + offset;
}

} // namespace standin

extern "C" {

int NvBufSurfaceMap(NvBufSurface *surf, int index, int plane, NvBufSurfaceMemMapFlags) {
  if (!mappable(surf, index)) return -1;
  for (uint32_t i = 0; i < surf->batchSize; ++i) {
    if (index != -1 && static_cast<uint32_t>(index) != i) continue;
    NvBufSurfaceParams *params = &surf->surfaceList[i];
    for (uint32_t p = 0; p < params->planeParams.num_planes; ++p)
      if (plane == -1 || static_cast<uint32_t>(plane) == p) params->mappedAddr.addr[p] = standin::plane_of(surf, i, p).data;
  }
  return 0;
}

int NvBufSurfaceUnMap(NvBufSurface *surf, int index, int plane) {
  if (!mappable(surf, index)) return -1;
  for (uint32_t i = 0; i < surf->batchSize; ++i) {
    if (index != -1 && static_cast<uint32_t>(index) != i) continue;
    for (int p = 0; p < NVBUF_MAX_PLANES; ++p)
      if (plane == -1 || plane == p) surf->surfaceList[i].mappedAddr.addr[p] = nullptr;
  }
  return 0;
}

int NvBufSurfaceSyncForCpu(NvBufSurface *surf, int index, int) {
  return mappable(surf, index) ? 0 : -1;
}
}

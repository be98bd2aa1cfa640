#include "nvml_library.h"

#include <array>
#include <dlfcn.h>

namespace sightline::app {
namespace {

/** The longest text that the library gives: of a name and of a UUID, with its zero byte. */
constexpr unsigned text_bytes = 96;

template <typename Function> bool find(void *library, const char *name, Function &function, std::string &why) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr && why.empty()) why = std::string("it has no ") + name;
  return function != nullptr;
}

} // namespace

std::unique_ptr<NvmlLibrary> NvmlLibrary::open(std::string &why) {
  // Never closed: threads of the driver may be in it.
  void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char *said = dlerror();
    why = said == nullptr ? std::string(name) + " cannot be opened" : said;
    return nullptr;
  }
  why.clear();
  Functions found{};
  find(library, "nvmlInit_v2", found.init, why);
  find(library, "nvmlShutdown", found.shutdown, why);
  find(library, "nvmlErrorString", found.error_string, why);
  find(library, "nvmlSystemGetDriverVersion", found.driver_version, why);
  find(library, "nvmlSystemGetCudaDriverVersion_v2", found.cuda_version, why);
  find(library, "nvmlDeviceGetHandleByIndex_v2", found.handle, why);
  find(library, "nvmlDeviceGetName", found.device_name, why);
  find(library, "nvmlDeviceGetUUID", found.uuid, why);
  find(library, "nvmlDeviceGetUtilizationRates", found.utilization, why);
  find(library, "nvmlDeviceGetMemoryInfo", found.memory, why);
  find(library, "nvmlDeviceGetDecoderUtilization", found.decoder, why);
  find(library, "nvmlDeviceGetEncoderUtilization", found.encoder, why);
  find(library, "nvmlDeviceGetTemperature", found.temperature, why);
  if (!why.empty()) return nullptr;
  return std::unique_ptr<NvmlLibrary>(new NvmlLibrary(found));
}

NvmlLibrary::~NvmlLibrary() {
  if (initialised_) call_.shutdown();
}

void NvmlLibrary::must(nvmlReturn_t result, const char *what) const {
  if (result != NVML_SUCCESS) throw NvmlError(std::string(what) + ": " + call_.error_string(result));
}

bool NvmlLibrary::told(nvmlReturn_t result, const char *what) const {
  // A slice of a card (MIG), a container without the right, Jetson.
  if (result == NVML_ERROR_NOT_SUPPORTED || result == NVML_ERROR_NO_PERMISSION) return false;
  must(result, what);
  return true;
}

void NvmlLibrary::init() {
  if (initialised_) call_.shutdown();
  initialised_ = false;
  must(call_.init(), "nvmlInit");
  initialised_ = true;
}

GpuFacts NvmlLibrary::read(unsigned index) {
  nvmlDevice_t device = nullptr;
  must(call_.handle(index, &device), "nvmlDeviceGetHandleByIndex");
  std::array<char, text_bytes> text{};
  GpuFacts facts;
  must(call_.uuid(device, text.data(), text.size()), "nvmlDeviceGetUUID");
  facts.uuid = text.data();
  must(call_.device_name(device, text.data(), text.size()), "nvmlDeviceGetName");
  facts.name = text.data();
  nvmlUtilization_t utilization{};
  if (told(call_.utilization(device, &utilization), "nvmlDeviceGetUtilizationRates"))
    facts.utilization_percent = utilization.gpu;
  nvmlMemory_t memory{};
  if (told(call_.memory(device, &memory), "nvmlDeviceGetMemoryInfo")) {
    facts.memory_used_bytes = memory.used;
    facts.memory_bytes = memory.total;
  }
  unsigned percent = 0;
  unsigned period_us = 0;
  if (told(call_.decoder(device, &percent, &period_us), "nvmlDeviceGetDecoderUtilization")) facts.decoder_percent = percent;
  if (told(call_.encoder(device, &percent, &period_us), "nvmlDeviceGetEncoderUtilization")) facts.encoder_percent = percent;
  unsigned celsius = 0;
  if (told(call_.temperature(device, NVML_TEMPERATURE_GPU, &celsius), "nvmlDeviceGetTemperature")) facts.celsius = celsius;
  return facts;
}

std::string NvmlLibrary::driver_version() {
  std::array<char, text_bytes> text{};
  must(call_.driver_version(text.data(), text.size()), "nvmlSystemGetDriverVersion");
  return text.data();
}

std::string NvmlLibrary::cuda_version() {
  int version = 0;
  must(call_.cuda_version(&version), "nvmlSystemGetCudaDriverVersion");
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

} // namespace sightline::app

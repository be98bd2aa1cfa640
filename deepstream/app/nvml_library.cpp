#include "nvml_library.h"

#include <array>
#include <dlfcn.h>

#include "functions.h"

namespace sightline::app {
namespace {

/** The longest text that the library gives: of a name and of a UUID, with its zero byte. */
constexpr unsigned text_bytes = 96;

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
  const auto find = [&](const char *function, auto &into) {
    if (!find_function(library, function, into) && why.empty()) why = std::string("it has no ") + function;
  };
  find("nvmlInit_v2", found.init);
  find("nvmlShutdown", found.shutdown);
  find("nvmlErrorString", found.error_string);
  find("nvmlSystemGetDriverVersion", found.driver_version);
  find("nvmlSystemGetCudaDriverVersion_v2", found.cuda_version);
  find("nvmlDeviceGetHandleByIndex_v2", found.handle);
  find("nvmlDeviceGetName", found.device_name);
  find("nvmlDeviceGetUUID", found.uuid);
  find("nvmlDeviceGetUtilizationRates", found.utilization);
  find("nvmlDeviceGetMemoryInfo", found.memory);
  find("nvmlDeviceGetDecoderUtilization", found.decoder);
  find("nvmlDeviceGetEncoderUtilization", found.encoder);
  find("nvmlDeviceGetTemperature", found.temperature);
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

GpuStats NvmlLibrary::read(unsigned index) {
  nvmlDevice_t device = nullptr;
  must(call_.handle(index, &device), "nvmlDeviceGetHandleByIndex");
  std::array<char, text_bytes> text{};
  GpuStats stats;
  must(call_.uuid(device, text.data(), text.size()), "nvmlDeviceGetUUID");
  stats.uuid = text.data();
  must(call_.device_name(device, text.data(), text.size()), "nvmlDeviceGetName");
  stats.name = text.data();
  nvmlUtilization_t utilization{};
  if (told(call_.utilization(device, &utilization), "nvmlDeviceGetUtilizationRates"))
    stats.utilization_percent = utilization.gpu;
  nvmlMemory_t memory{};
  if (told(call_.memory(device, &memory), "nvmlDeviceGetMemoryInfo")) {
    stats.memory_used_bytes = memory.used;
    stats.memory_bytes = memory.total;
  }
  unsigned percent = 0;
  unsigned period_us = 0;
  if (told(call_.decoder(device, &percent, &period_us), "nvmlDeviceGetDecoderUtilization")) stats.decoder_percent = percent;
  if (told(call_.encoder(device, &percent, &period_us), "nvmlDeviceGetEncoderUtilization")) stats.encoder_percent = percent;
  unsigned celsius = 0;
  if (told(call_.temperature(device, NVML_TEMPERATURE_GPU, &celsius), "nvmlDeviceGetTemperature")) stats.celsius = celsius;
  return stats;
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

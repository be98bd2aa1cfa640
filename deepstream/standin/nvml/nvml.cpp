#include <nvml.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "control.h"

// One card, as the control file's /gpu has it.
struct nvmlDevice_st {};

namespace {

constexpr auto look_again_after = std::chrono::milliseconds(10);
constexpr unsigned long long mib = 1024 * 1024;
constexpr unsigned int sampling_us = 167'000;

nvmlDevice_st card;
bool initialised = false;

/** As calls into a driver that is stuck. */
void hang_if_told() {
  while (standin::control_flag("/gpu/hang")) std::this_thread::sleep_for(look_again_after);
}

nvmlReturn_t told(const char *key) {
  return static_cast<nvmlReturn_t>(standin::control_number(key).value_or(NVML_SUCCESS));
}

nvmlReturn_t asked() {
  hang_if_told();
  return initialised ? told("/gpu/error") : NVML_ERROR_UNINITIALIZED;
}

unsigned int figure(const char *key, unsigned int otherwise) {
  return static_cast<unsigned int>(standin::control_number(key).value_or(otherwise));
}

nvmlReturn_t text(const char *key, const char *otherwise, char *to, unsigned int length) {
  const auto found = standin::control_text(key).value_or(otherwise);
  std::snprintf(to, length, "%s", found.c_str());
  return NVML_SUCCESS;
}

/** What Jetson's library does not know. */
nvmlReturn_t of_a_card() {
  const auto result = asked();
  if (result != NVML_SUCCESS) return result;
  return standin::control_flag("/gpu/tegra") ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

} // namespace

nvmlReturn_t nvmlInit_v2(void) {
  hang_if_told();
  const auto result = told("/gpu/initError");
  initialised = result == NVML_SUCCESS;
  return result;
}

nvmlReturn_t nvmlShutdown(void) {
  hang_if_told();
  initialised = false;
  return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result) {
  switch (result) {
  case NVML_SUCCESS:
    return "Success";
  case NVML_ERROR_UNINITIALIZED:
    return "Uninitialized";
  case NVML_ERROR_NOT_SUPPORTED:
    return "Not Supported";
  case NVML_ERROR_NO_PERMISSION:
    return "Insufficient Permissions";
  case NVML_ERROR_NOT_FOUND:
    return "Not Found";
  case NVML_ERROR_DRIVER_NOT_LOADED:
    return "Driver Not Loaded";
  case NVML_ERROR_GPU_IS_LOST:
    return "GPU is lost";
  default:
    return "Unknown Error";
  }
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) {
  const auto result = asked();
  return result == NVML_SUCCESS ? text("/gpu/driver", "595.58.03", version, length) : result;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *cudaDriverVersion) {
  const auto result = asked();
  if (result == NVML_SUCCESS) *cudaDriverVersion = 13'020;
  return result;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
  const auto result = asked();
  if (result != NVML_SUCCESS) return result;
  if (index != 0) return NVML_ERROR_NOT_FOUND;
  *device = &card;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t, char *name, unsigned int length) {
  const auto result = asked();
  return result == NVML_SUCCESS ? text("/gpu/name", "Stand-in", name, length) : result;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t, char *uuid, unsigned int length) {
  const auto result = asked();
  return result == NVML_SUCCESS ? text("/gpu/uuid", "GPU-57a4d1a0-0000-4000-8000-000000000000", uuid, length) : result;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t, nvmlUtilization_t *utilization) {
  const auto result = of_a_card();
  if (result == NVML_SUCCESS) *utilization = {figure("/gpu/utilizationPercent", 0), 0};
  return result;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t, nvmlMemory_t *memory) {
  const auto result = of_a_card();
  if (result != NVML_SUCCESS) return result;
  const auto total = figure("/gpu/memoryMiB", 24'576) * mib;
  const auto used = figure("/gpu/memoryUsedMiB", 0) * mib;
  *memory = {total, total - used, used};
  return result;
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t, unsigned int *utilization, unsigned int *samplingPeriodUs) {
  const auto result = of_a_card();
  if (result != NVML_SUCCESS) return result;
  *utilization = figure("/gpu/decoderPercent", 0);
  *samplingPeriodUs = sampling_us;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t, unsigned int *utilization, unsigned int *samplingPeriodUs) {
  const auto result = of_a_card();
  if (result != NVML_SUCCESS) return result;
  *utilization = figure("/gpu/encoderPercent", 0);
  *samplingPeriodUs = sampling_us;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t, nvmlTemperatureSensors_t, unsigned int *temp) {
  const auto result = asked();
  if (result == NVML_SUCCESS) *temp = figure("/gpu/celsius", 40);
  return result;
}

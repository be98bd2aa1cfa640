#pragma once

#include <memory>
#include <nvml.h>
#include <stdexcept>
#include <string>

#include "messages.h"

namespace sightline::app {

/** The driver said no to a call; the text names both. */
class NvmlError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/**
 * The driver's management library, opened where it is: it comes with the driver, by the capability `utility` of the container's
 * GPU. Every call may hang with the driver, and so may opening it: for a thread that nobody waits for.
 */
class NvmlLibrary {
public:
  static constexpr const char *name = "libnvidia-ml.so.1";
  /** Null where it is not there or is another; `why` says so. */
  static std::unique_ptr<NvmlLibrary> open(std::string &why);
  ~NvmlLibrary();
  NvmlLibrary(const NvmlLibrary &) = delete;
  NvmlLibrary &operator=(const NvmlLibrary &) = delete;

  /** Throws NvmlError, as the others do. Has to go well before they are asked; once more after an error. */
  void init();
  GpuStats read(unsigned index);
  /** "595.58.03" */
  std::string driver_version();
  /** "13.2": the newest CUDA that the driver runs. */
  std::string cuda_version();

private:
  struct Functions {
    decltype(&nvmlInit_v2) init;
    decltype(&nvmlShutdown) shutdown;
    decltype(&nvmlErrorString) error_string;
    decltype(&nvmlSystemGetDriverVersion) driver_version;
    decltype(&nvmlSystemGetCudaDriverVersion_v2) cuda_version;
    decltype(&nvmlDeviceGetHandleByIndex_v2) handle;
    decltype(&nvmlDeviceGetName) device_name;
    decltype(&nvmlDeviceGetUUID) uuid;
    decltype(&nvmlDeviceGetUtilizationRates) utilization;
    decltype(&nvmlDeviceGetMemoryInfo) memory;
    decltype(&nvmlDeviceGetDecoderUtilization) decoder;
    decltype(&nvmlDeviceGetEncoderUtilization) encoder;
    decltype(&nvmlDeviceGetTemperature) temperature;
  };
  explicit NvmlLibrary(const Functions &functions) : call_(functions) {}
  void must(nvmlReturn_t result, const char *what) const;
  /** False for what this card, this driver or this container does not tell. */
  bool told(nvmlReturn_t result, const char *what) const;

  const Functions call_;
  bool initialised_ = false;
};

} // namespace sightline::app

// What the program relies on in NVIDIA's nvml.h, as contract.cpp does it for DeepStream's headers: compiled against our own
// header in every build, and against CUDA's where that is. Never run.
#include <cstddef>
#include <nvml.h>
#include <type_traits>

#define FIELD(S, f, T) static_assert(std::is_same_v<decltype(S::f), T>, #S "." #f)
#define PLACE(S, f, o) static_assert(offsetof(S, f) == (o), #S "." #f)
#define FN(f, ...) static_assert(std::is_same_v<decltype(&f), __VA_ARGS__>, #f)
#define VALUE(c, v) static_assert(static_cast<int>(c) == (v), #c)

static_assert(std::is_pointer_v<nvmlDevice_t>);
VALUE(NVML_SUCCESS, 0);
VALUE(NVML_ERROR_UNINITIALIZED, 1);
VALUE(NVML_ERROR_NOT_SUPPORTED, 3);
VALUE(NVML_ERROR_NO_PERMISSION, 4);
VALUE(NVML_ERROR_NOT_FOUND, 6);
VALUE(NVML_ERROR_DRIVER_NOT_LOADED, 9);
VALUE(NVML_ERROR_GPU_IS_LOST, 15);
VALUE(NVML_ERROR_UNKNOWN, 999);
VALUE(NVML_TEMPERATURE_GPU, 0);
static_assert(sizeof(nvmlReturn_t) == sizeof(int) && sizeof(nvmlTemperatureSensors_t) == sizeof(int));

FIELD(nvmlUtilization_t, gpu, unsigned int);
FIELD(nvmlUtilization_t, memory, unsigned int);
static_assert(sizeof(nvmlUtilization_t) == 2 * sizeof(unsigned int));
FIELD(nvmlMemory_t, total, unsigned long long);
FIELD(nvmlMemory_t, free, unsigned long long);
FIELD(nvmlMemory_t, used, unsigned long long);
PLACE(nvmlMemory_t, total, 0);
PLACE(nvmlMemory_t, free, 8);
PLACE(nvmlMemory_t, used, 16);
static_assert(sizeof(nvmlMemory_t) == 24);

FN(nvmlInit_v2, nvmlReturn_t (*)());
FN(nvmlShutdown, nvmlReturn_t (*)());
FN(nvmlErrorString, const char *(*)(nvmlReturn_t));
FN(nvmlSystemGetDriverVersion, nvmlReturn_t (*)(char *, unsigned int));
FN(nvmlSystemGetCudaDriverVersion_v2, nvmlReturn_t (*)(int *));
FN(nvmlDeviceGetHandleByIndex_v2, nvmlReturn_t (*)(unsigned int, nvmlDevice_t *));
FN(nvmlDeviceGetName, nvmlReturn_t (*)(nvmlDevice_t, char *, unsigned int));
FN(nvmlDeviceGetUUID, nvmlReturn_t (*)(nvmlDevice_t, char *, unsigned int));
FN(nvmlDeviceGetUtilizationRates, nvmlReturn_t (*)(nvmlDevice_t, nvmlUtilization_t *));
FN(nvmlDeviceGetMemoryInfo, nvmlReturn_t (*)(nvmlDevice_t, nvmlMemory_t *));
FN(nvmlDeviceGetDecoderUtilization, nvmlReturn_t (*)(nvmlDevice_t, unsigned int *, unsigned int *));
FN(nvmlDeviceGetEncoderUtilization, nvmlReturn_t (*)(nvmlDevice_t, unsigned int *, unsigned int *));
FN(nvmlDeviceGetTemperature, nvmlReturn_t (*)(nvmlDevice_t, nvmlTemperatureSensors_t, unsigned int *));

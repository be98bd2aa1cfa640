/* What the SDK's nvdsinfer_custom_impl.h names of TensorRT. A parser of boxes uses none of it, so that neither the stand-in's
 * build nor the card's needs TensorRT's headers. */
#ifndef SIGHTLINE_TRT_STUB_NVINFER_H
#define SIGHTLINE_TRT_STUB_NVINFER_H

#include <cstdint>

namespace nvinfer1 {
class IBuilder;
class IBuilderConfig;
class ICudaEngine;
class INetworkDefinition;
class IPluginFactory;
enum class DataType : int32_t;
} // namespace nvinfer1

#endif

/* The signature of a parser of boxes, written anew for the stand-in. */
#ifndef STANDIN_NVDSINFER_CUSTOM_IMPL_H
#define STANDIN_NVDSINFER_CUSTOM_IMPL_H

#include <vector>

#include "nvdsinfer.h"

typedef struct {
  unsigned int numClassesConfigured;
  std::vector<float> perClassPreclusterThreshold;
  std::vector<float> perClassPostclusterThreshold;
  /* The older name. It makes the struct one that cannot be assigned, as the SDK's. */
  std::vector<float> &perClassThreshold = perClassPreclusterThreshold;
} NvDsInferParseDetectionParams;

/* Boxes come out in pixels of the network's input; false fails the request. */
typedef bool (*NvDsInferParseCustomFunc)(std::vector<NvDsInferLayerInfo> const &outputLayersInfo,
                                         NvDsInferNetworkInfo const &networkInfo,
                                         NvDsInferParseDetectionParams const &detectionParams,
                                         std::vector<NvDsInferObjectDetectionInfo> &objectList);

#endif

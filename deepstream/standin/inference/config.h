// The configuration file of nvinferserver: read, completed and refused as the card's element does it at start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "settings.pb.h"

namespace standin {

/** Something to say, in the order in which it is said: on the bus (error, warning), or in the log alone. */
struct Notice {
  enum class Kind { bus_error, bus_warning, log_error, log_warning };
  Kind kind;
  std::string text;
  std::string debug;
};
using Notices = std::vector<Notice>;

/** What was set on the element; 0, -1 and empty mean: not set, the file decides. */
struct InferenceProperties {
  std::string config_path;
  uint32_t unique_id = 0;
  uint32_t process_mode = 0;
  uint32_t max_batch_size = 0;
  int32_t interval = -1;
  int32_t infer_on_gie_id = -1;
  std::string infer_on_class_ids;
  bool input_tensor_from_meta = false;
};

/** Nothing where the card would not start, or where the file asks for something that the stand-in does not do. */
std::optional<inference::PluginControl> read_inference_config(const InferenceProperties &properties, Notices &notices);

} // namespace standin

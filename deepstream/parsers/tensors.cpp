#include "tensors.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sightline {

namespace {

/** More than any network gives; what is beyond is not a size. */
constexpr std::size_t most_values = std::size_t{1} << 28;

template <typename Value> std::vector<double> copied(const void *values, std::size_t count) {
  const auto *first = static_cast<const Value *>(values);
  return {first, first + count};
}

} // namespace

Output::Output(const NvDsInferLayerInfo &layer)
    : name_(layer.layerName == nullptr ? "" : layer.layerName), type_(layer.dataType), values_(layer.buffer) {
  const auto axes = std::min<std::size_t>(layer.inferDims.numDims, NVDSINFER_MAX_DIMS);
  dims_.assign(layer.inferDims.d, layer.inferDims.d + axes);
}

std::size_t Output::count() const {
  std::size_t product = 1;
  for (const auto size : dims_) {
    if (size == 0 || size > most_values / product) return 0;
    product *= size;
  }
  return product;
}

std::optional<std::vector<std::size_t>> Output::dims(std::size_t rank) const {
  if (values_ == nullptr || count() == 0) return std::nullopt;
  if (dims_.size() == rank) return dims_;
  if (dims_.size() != rank + 1 || dims_.front() != 1) return std::nullopt;
  return std::vector<std::size_t>(dims_.begin() + 1, dims_.end());
}

std::optional<std::size_t> Output::rows(std::size_t width) const {
  if (dims_.empty() || dims_.back() != width || dims_.size() > 2) return std::nullopt;
  if (dims_.size() == 2 && dims_.front() == 0) return 0;
  if (values_ == nullptr || count() == 0) return std::nullopt;
  return count() / width;
}

std::optional<Floats> Output::floats() const {
  if (type_ == FLOAT) return Floats(static_cast<const float *>(values_));
  if (type_ != HALF) return std::nullopt;
  const auto *halves = static_cast<const std::uint16_t *>(values_);
  std::vector<float> converted(count());
  std::transform(halves, halves + converted.size(), converted.begin(), float_of_half);
  return Floats(std::move(converted));
}

std::optional<std::vector<double>> Output::numbers() const {
  if (type_ == INT32) return copied<std::int32_t>(values_, count());
  if (type_ == INT64) return copied<std::int64_t>(values_, count());
  if (type_ == UINT8) return copied<std::uint8_t>(values_, count());
  if (type_ == FLOAT) return copied<float>(values_, count());
  return std::nullopt;
}

std::string Output::text() const {
  std::string sizes;
  for (const auto size : dims_) sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
  return name_ + " [" + sizes + "]";
}

std::vector<Output> outputs_of(const NvDsInferLayerInfo *layers, std::size_t count) {
  std::vector<Output> outputs;
  for (std::size_t at = 0; at < count; at += 1)
    if (layers[at].isInput == 0) outputs.emplace_back(layers[at]);
  std::sort(outputs.begin(), outputs.end(), [](const Output &a, const Output &b) { return a.name() < b.name(); });
  return outputs;
}

std::string text_of(const std::vector<Output> &outputs) {
  std::string text;
  for (const auto &output : outputs) text += (text.empty() ? "" : ", ") + output.text();
  return text.empty() ? "none" : text;
}

float float_of_half(unsigned short bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  const float sign = (bits & 0x8000) == 0 ? 1.0F : -1.0F;
  if (exponent == 0x1f)
    return fraction == 0 ? sign * std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
}

} // namespace sightline

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "nvdsinfer.h"

/** Output tensors of one picture, as nvinferserver hands them to a parser and to whoever reads its tensor metadata. */
namespace sightline {

/** What was found, or why the tensors cannot be read; the text is empty when they can. */
template <typename Found> struct Parsed {
  std::vector<Found> found;
  std::string problem;
};

/** The values of an output as floats; those of a FLOAT layer stay where they are. */
class Floats {
public:
  explicit Floats(const float *values) : values_(values) {}
  explicit Floats(std::vector<float> converted) : converted_(std::move(converted)) {}
  const float *data() const { return converted_.empty() ? values_ : converted_.data(); }

private:
  const float *values_ = nullptr;
  std::vector<float> converted_;
};

/** One output without the batch axis, which is there or not as the server's model has max_batch_size 0 or more. */
class Output {
public:
  explicit Output(const NvDsInferLayerInfo &layer);

  const std::string &name() const { return name_; }
  /** Sizes of the axes where there are `rank`, or one more in front that is 1; absent otherwise, or where there are no values.
   */
  std::optional<std::vector<std::size_t>> dims(std::size_t rank) const;
  /**
   * Rows of a list of `width` values each whose length is for the network to say, of one picture: [M,width], M from 0 on. The
   * element takes the first axis for the batch where it is 1, so that a single row comes as [width]. Absent otherwise, or where
   * there are no values for rows that there are.
   */
  std::optional<std::size_t> rows(std::size_t width) const;
  /** Absent for layers of whole numbers. */
  std::optional<Floats> floats() const;
  /** Whole numbers, whatever type they have in the layer; absent for INT8 and HALF. */
  std::optional<std::vector<double>> numbers() const;
  /** `537 [1,96,160]`, for messages. */
  std::string text() const;

private:
  std::size_t count() const;

  std::string name_;
  NvDsInferDataType type_;
  std::vector<std::size_t> dims_;
  const void *values_;
};

/** By name: the order in which the element gives them is its own, and it numbers none of them. */
std::vector<Output> outputs_of(const NvDsInferLayerInfo *layers, std::size_t count);

/** `537 [1,96,160], 538 [2,96,160]`, for messages. */
std::string text_of(const std::vector<Output> &outputs);

/** IEEE 754 binary16. */
float float_of_half(unsigned short bits);

} // namespace sightline

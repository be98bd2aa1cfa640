#pragma once

#include <nvbufsurface.h>
#include <string>
#include <vector>

#include "masks.h"

namespace sightline::app {

/** The few functions of CUDA's driver that write to the card's memory. They are found when they are needed: no machine without
 * a card has the library. */
struct CudaDriver;

/** Makes parts of pictures black in the card's memory, in the order of what others do there. For one thread. */
class Blackener {
public:
  explicit Blackener(unsigned gpu) : gpu_(gpu) {}
  ~Blackener();
  Blackener(const Blackener &) = delete;
  Blackener &operator=(const Blackener &) = delete;

  /** All is black when it comes back. Otherwise why not: the picture is as it was, or partly black. */
  std::string blacken(const NvBufSurface &surface, unsigned index, const std::vector<Strip> &strips);

private:
  std::string open();

  const unsigned gpu_;
  const CudaDriver *driver_ = nullptr;
  int device_ = 0;
  void *context_ = nullptr;
};

} // namespace sightline::app

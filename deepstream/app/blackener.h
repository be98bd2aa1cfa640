#pragma once

#include <memory>
#include <nvbufsurface.h>
#include <optional>
#include <string>
#include <vector>

#include "masks.h"

namespace sightline::app {

struct MaskedPicture {
  /** Place in its batch. */
  unsigned index = 0;
  /** Never null. Pictures of one camera and one size share them. */
  std::shared_ptr<const std::vector<Strip>> strips;
};

/** Why pictures are not masked. */
struct MaskFault {
  std::string reason;
  /** It is so with every picture on this machine; otherwise another try may go well. */
  bool lasts = false;
};

/** Why pictures of this kind are none that CUDA can write to; empty: they are. `integrated`: the GPU shares the machine's
 * memory.
 */
std::string unfit(const NvBufSurface &surface, const NvBufSurfaceParams &picture, bool integrated);

/** The few functions of CUDA's driver that write to the card's memory. They are found when they are needed: no machine without
 * a card has the library. */
struct CudaDriver;

/** Makes parts of pictures black in the card's memory. For one thread. */
class Blackener {
public:
  explicit Blackener(unsigned gpu) : gpu_(gpu) {}
  ~Blackener();
  Blackener(const Blackener &) = delete;
  Blackener &operator=(const Blackener &) = delete;

  /** All is black when it comes back without a fault; with one, none or a part. Waits for the card once. */
  std::optional<MaskFault> blacken(const NvBufSurface &surface, const std::vector<MaskedPicture> &pictures);

private:
  std::optional<MaskFault> open();

  const unsigned gpu_;
  const CudaDriver *driver_ = nullptr;
  int device_ = 0;
  bool integrated_ = false;
  void *context_ = nullptr;
};

} // namespace sightline::app

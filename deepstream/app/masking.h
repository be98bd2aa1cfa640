#pragma once

#include <gst/gst.h>
#include <memory>
#include <optional>
#include <vector>

#include "blackener.h"
#include "probe.h"

namespace sightline::app {

/** Begins what is said where this machine can mask no picture, whatever is tried again. */
constexpr const char *never_masked = "pictures cannot be masked here";

/**
 * On the pad before the detectors: pictures of cameras with masks are black there before anything looks at them, so that crops,
 * tracks and annotated video are made of black pixels too. A batch with a picture that cannot be masked goes no further.
 */
class Masking {
public:
  Masking(const Settings &settings, const BatchProbe &probe, unsigned slots);

  /** Whether any camera has masks. */
  bool wanted() const;
  /** `reporter`: who posts the error, once. */
  void attach(GstPad *pad, GstElement *reporter);

private:
  struct Cut {
    Size source;
    std::shared_ptr<const std::vector<Strip>> strips;
  };
  static GstPadProbeReturn on_batch(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  /** Absent: all pictures of the batch are masked. */
  std::optional<MaskFault> mask(GstBuffer *buffer);
  /** Those handed out before stay as they are, also where a camera's picture changes its size within a batch. */
  std::shared_ptr<const std::vector<Strip>> strips_for(unsigned source_id, const std::vector<Polygon> &masks,
                                                       const Size &source);

  const Settings &settings_;
  const BatchProbe &probe_;
  Blackener blackener_;
  GstElement *reporter_ = nullptr;
  /** By source id, as the size of its latest picture wants it. For the thread that brings batches. */
  std::vector<std::optional<Cut>> cuts_;
  bool said_ = false;
};

} // namespace sightline::app

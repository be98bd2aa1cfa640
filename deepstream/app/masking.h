#pragma once

#include <gst/gst.h>
#include <memory>
#include <vector>

#include "blackener.h"
#include "probe.h"

namespace sightline::app {

/** Begins what is said where masks cannot be put on pictures. */
constexpr const char *not_masked = "a picture cannot be masked";

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
    std::vector<Strip> strips;
  };
  static GstPadProbeReturn on_batch(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  /** Why not; empty: all pictures of the batch are masked. */
  std::string mask(GstBuffer *buffer);
  const std::vector<Strip> &strips_for(const NvDsFrameMeta *frame);

  const Settings &settings_;
  const BatchProbe &probe_;
  Blackener blackener_;
  GstElement *reporter_ = nullptr;
  /** By source id, as the size of its pictures wants it. */
  std::vector<Cut> cuts_;
  bool said_ = false;
};

} // namespace sightline::app

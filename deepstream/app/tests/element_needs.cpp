#include "element_needs.h"

#include <catch2/catch.hpp>
#include <gst/gst.h>

using namespace sightline::app;
using Problems = std::vector<std::string>;

TEST_CASE("what an element has not is told, by name and kind") {
  gst_init(nullptr, nullptr);
  CHECK(missing_of({"queue", false, {{"max-size-time", PropertyKind::wide}, {"leaky", PropertyKind::any}}, {"src"}}) ==
        Problems{});
  CHECK(missing_of({"queue", false, {{"max-size-time", PropertyKind::number}}, {}}) ==
        Problems{"queue: the property max-size-time is a guint64, not a number of 32 bits"});
  CHECK(
      missing_of(
          {"queue", false, {{"gpu-id", PropertyKind::number}, {"current-level-bytes", PropertyKind::number}}, {"sink_%u"}}) ==
      Problems{"queue: no property gpu-id", "queue: the property current-level-bytes cannot be set", "queue: no pad sink_%u"});
  CHECK(missing_of({"nvsomething", false, {}, {}}) == Problems{"no nvsomething"});
  CHECK(missing_of({"nvsomething", true, {{"gpu-id", PropertyKind::number}}, {}}) == Problems{});
}

#pragma once

#include <stdexcept>

namespace sightline::app {

/** A message whose fields are not what they should be, or are read otherwise than they are. */
class WireError : public std::logic_error {
  using std::logic_error::logic_error;
};

} // namespace sightline::app

// A field of the wrong wire type is the sender's mistake, and is no reason to abort. Included before protozero everywhere.
#define protozero_assert(holds)                                                                                                \
  ((holds) ? static_cast<void>(0) : throw ::sightline::app::WireError("not so in a message: " #holds))

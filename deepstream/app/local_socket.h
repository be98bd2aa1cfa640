#pragma once

#include <string>

#include "holders.h"

namespace sightline::app {

/** Connects to a Unix socket without waiting; none where nobody takes it, and then `problem` says why. */
Descriptor connect_local(const std::string &path, std::string &problem);

enum class Sent { some, full, broken };

/** Sends what the socket takes of `bytes` from `from` on, and moves `from`. */
Sent send_some(int fd, const std::string &bytes, std::size_t &from);

} // namespace sightline::app

#pragma once

#include <string>
#include <string_view>

/** Addresses of sources, and texts without their secrets. */
namespace sightline::app {

struct SourceAddress {
  /** For nvurisrcbin; without user and password. */
  std::string uri;
  std::string user;
  std::string password;
  /** A camera, not a file. */
  bool live;
};

/** Of `rtsp://...` and file paths; throws std::invalid_argument, without the address, for what nvurisrcbin cannot reconnect or
 * read. */
SourceAddress parse_address(const std::string &source);

/** Every address in a text becomes its scheme and host: user, password, path and query may all be secrets. */
std::string scrubbed(std::string_view text);

} // namespace sightline::app

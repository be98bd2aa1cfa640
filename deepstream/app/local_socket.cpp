#include "local_socket.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

namespace sightline::app {

Descriptor connect_local(const std::string &path, std::string &problem) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    problem = "its path is too long";
    return {};
  }
  path.copy(address.sun_path, path.size());
  Descriptor connected(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (connected && connect(connected.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0)
    return connected;
  problem = std::strerror(errno);
  return {};
}

Sent send_some(int fd, const std::string &bytes, std::size_t &from) {
  while (from < bytes.size()) {
    const auto sent = send(fd, bytes.data() + from, bytes.size() - from, MSG_NOSIGNAL);
    if (sent >= 0) {
      from += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Sent::full;
    } else if (errno != EINTR) {
      return Sent::broken;
    }
  }
  return Sent::some;
}

} // namespace sightline::app

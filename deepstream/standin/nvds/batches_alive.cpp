#include <cstdio>
#include <cstdlib>

#include "metas.h"

namespace standin {

namespace {

/** Only after exit(0): who ends otherwise may leave what it has where it is. _exit never comes here. */
void look(int status, void *) {
  const int left = batches_alive().load();
  if (status != 0 || left == 0) return;
  std::fprintf(stderr, "standin: the process ends well but %d batches of metadata were never released\n", left);
  std::abort();
}

} // namespace

std::atomic<int> &batches_alive() {
  static std::atomic<int> alive{0};
  static const int registered = on_exit(look, nullptr);
  (void)registered;
  return alive;
}

} // namespace standin

// Only for -Db_sanitize=thread. GLib's locks are futexes in a library that is not instrumented, and so are the counts by which
// GStreamer shares its objects: ThreadSanitizer would take all that they keep in order for races. These stand before GLib's
// functions of the same names, and tell it. What GLib locks for itself (its main context) stays unseen: testing/races.supp.
#include <dlfcn.h>
#include <glib-object.h>
#include <gst/gst.h>

#ifdef __SANITIZE_THREAD__

extern "C" void __tsan_acquire(void *address);
extern "C" void __tsan_release(void *address);

namespace {

template <typename Function> Function *behind(const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

} // namespace

#define LOCKS(name, Type)                                                                                                      \
  extern "C" void name(Type *lock) {                                                                                           \
    static auto *const real = behind<void(Type *)>(#name);                                                                     \
    real(lock);                                                                                                                \
    __tsan_acquire(lock);                                                                                                      \
  }
#define TRIES(name, Type)                                                                                                      \
  extern "C" gboolean name(Type *lock) {                                                                                       \
    static auto *const real = behind<gboolean(Type *)>(#name);                                                                 \
    const gboolean locked = real(lock);                                                                                        \
    if (locked != FALSE) __tsan_acquire(lock);                                                                                 \
    return locked;                                                                                                             \
  }
#define UNLOCKS(name, Type)                                                                                                    \
  extern "C" void name(Type *lock) {                                                                                           \
    static auto *const real = behind<void(Type *)>(#name);                                                                     \
    __tsan_release(lock);                                                                                                      \
    real(lock);                                                                                                                \
  }
/** Whoever gives up the last share is behind all others. */
#define SHARES(name, Type)                                                                                                     \
  extern "C" void name(Type shared) {                                                                                          \
    static auto *const real = behind<void(Type)>(#name);                                                                       \
    __tsan_release(shared);                                                                                                    \
    __tsan_acquire(shared);                                                                                                    \
    real(shared);                                                                                                              \
  }

LOCKS(g_mutex_lock, GMutex)
TRIES(g_mutex_trylock, GMutex)
UNLOCKS(g_mutex_unlock, GMutex)
LOCKS(g_rec_mutex_lock, GRecMutex)
TRIES(g_rec_mutex_trylock, GRecMutex)
UNLOCKS(g_rec_mutex_unlock, GRecMutex)
LOCKS(g_rw_lock_writer_lock, GRWLock)
UNLOCKS(g_rw_lock_writer_unlock, GRWLock)
LOCKS(g_rw_lock_reader_lock, GRWLock)
UNLOCKS(g_rw_lock_reader_unlock, GRWLock)
SHARES(gst_mini_object_unref, GstMiniObject *)
SHARES(g_object_unref, gpointer)
SHARES(gst_object_unref, gpointer)

extern "C" void g_cond_wait(GCond *cond, GMutex *mutex) {
  static auto *const real = behind<void(GCond *, GMutex *)>("g_cond_wait");
  __tsan_release(mutex);
  real(cond, mutex);
  __tsan_acquire(mutex);
}

extern "C" gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end) {
  static auto *const real = behind<gboolean(GCond *, GMutex *, gint64)>("g_cond_wait_until");
  __tsan_release(mutex);
  const gboolean signalled = real(cond, mutex, end);
  __tsan_acquire(mutex);
  return signalled;
}

#endif

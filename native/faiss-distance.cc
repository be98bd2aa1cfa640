// The inner product of two vectors, in place of the one in the library: Debian builds FAISS for the oldest x86-64, where it goes value by
// value. The processor's own instructions are chosen when the addon is loaded. A single exact search is five times as fast, an HNSW
// index is built in less than a third of the time. On other machines this file is empty and the library's function serves.
#include <cstddef>
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
namespace faiss {
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3", "fast-math")))
float fvec_inner_product(const float* x, const float* y, size_t d) {
  float sum = 0;
  for (size_t i = 0; i < d; i++) sum += x[i] * y[i];
  return sum;
}
}
#endif

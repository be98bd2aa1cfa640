// Debian 12 ships FAISS 1.7.3, which spells the type faiss::Index::idx_t; faiss-node 0.5.1 expects faiss::idx_t (1.7.4 on).
#pragma once
#include <faiss/Index.h>
#if FAISS_VERSION_MAJOR == 1 && (FAISS_VERSION_MINOR < 7 || (FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH < 4))
namespace faiss { using idx_t = Index::idx_t; }
#endif

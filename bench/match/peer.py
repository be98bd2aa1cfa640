#!/usr/bin/env python3
"""The peer's search, as ../shared/peer/peer_bench.py has it: faiss-cpu's IndexFlatIP, 512 floats, k = 5, one thread.

Reads lines `VECTORS BATCH TIMES` and answers each with JSON: milliseconds of CPU and of wall clock per query.
"""
import json, sys, time
import faiss, numpy as np

faiss.omp_set_num_threads(1)
rng = np.random.default_rng(1)
index, queries = None, None
for line in sys.stdin:
    n, batch, times = map(int, line.split())
    if index is None or index.ntotal != n:
        index = faiss.IndexFlatIP(512)
        for first in range(0, n, 10000):
            v = rng.standard_normal((min(10000, n - first), 512), np.float32)
            v /= np.linalg.norm(v, axis=1, keepdims=True)
            index.add(v)
        queries = v[:32].copy()
        index.search(queries, 5)
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        index.search(queries[:batch], 5)
    per = 1e3 / times / batch
    print(json.dumps({"cpuMs": (time.process_time() - cpu) * per, "wallMs": (time.perf_counter() - wall) * per, "version": faiss.__version__}), flush=True)

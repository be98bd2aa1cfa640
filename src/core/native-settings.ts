/**
 * Environment variables that native libraries read when they are loaded: they have to stand in the process's own environment before
 * the first thread that uses one is started.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Kernels of OpenBLAS that this processor can run, best first. OpenBLAS knows processors by their model number: one that is newer
 * than the library is taken for a machine of 2004, and the products behind a vector search are three times slower.
 */
const kernels: readonly { readonly name: string; readonly needs: readonly string[] }[] = [
  { name: 'SkylakeX', needs: ['avx512f', 'avx512cd', 'avx512bw', 'avx512dq', 'avx512vl', 'fma'] },
  { name: 'Haswell', needs: ['avx2', 'fma'] },
];

/**
 * What the environment `given` lacks; what it has stays.
 *
 * `cpuinfo` is the text of /proc/cpuinfo, or at least of its first processor; undefined where there is none.
 */
export function nativeSettings(given: Environment, cpuinfo: string | undefined): Readonly<Record<string, string>> {
  const flags = new Set(
    /^flags\s*:(.*)$/m
      .exec(cpuinfo ?? '')?.[1]
      ?.trim()
      .split(/\s+/),
  );
  const kernel = kernels.find(({ needs }) => needs.every((flag) => flags.has(flag)));
  const wanted: Readonly<Record<string, string>> = {
    // Threads of FAISS's own would only fight over the processor (docs/operations.md).
    OMP_NUM_THREADS: '1',
    // ONNX Runtime's binaries report to their maker over the network unless they are told not to. Nothing here leaves this machine unasked.
    ORT_DISABLE_TELEMETRY: '1',
    ...(kernel === undefined ? {} : { OPENBLAS_CORETYPE: kernel.name }),
  };
  return Object.fromEntries(
    Object.entries(wanted).filter(([name]) => name === 'ORT_DISABLE_TELEMETRY' || given[name] === undefined),
  );
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nativeSettings } from '../../src/core/native-settings.ts';

const skylake = 'fpu sse2 fma avx2 avx512f avx512dq avx512cd avx512bw avx512vl';
const cpuinfo = (flags: string) =>
  `processor\t: 0\nmodel\t\t: 207\nflags\t\t: ${flags}\nbugs\t\t: none\n\nprocessor\t: 1\nflags\t\t: fpu\n`;

test('the best kernel of OpenBLAS that the processor can run is asked for, whatever its model number', () => {
  const kernel = (flags: string) => nativeSettings({}, cpuinfo(flags))['OPENBLAS_CORETYPE'];
  assert.equal(kernel(skylake), 'SkylakeX');
  assert.equal(kernel(skylake.replace('avx512bw', '')), 'Haswell');
  assert.equal(kernel('fpu sse2 avx2'), undefined);
  assert.equal(nativeSettings({}, undefined)['OPENBLAS_CORETYPE'], undefined);
  assert.equal(nativeSettings({}, 'processor : 0\nFeatures : fp asimd\n')['OPENBLAS_CORETYPE'], undefined);
});

test('what the environment says stays, but for telemetry', () => {
  const given = { OMP_NUM_THREADS: '4', OPENBLAS_CORETYPE: 'Prescott', ORT_DISABLE_TELEMETRY: '0' };
  assert.deepEqual(nativeSettings(given, cpuinfo(skylake)), { ORT_DISABLE_TELEMETRY: '1' });
  assert.equal(nativeSettings({}, undefined)['OMP_NUM_THREADS'], '1');
});

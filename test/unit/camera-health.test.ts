import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCameraHealth } from '../../src/composition/camera-health.ts';
import { createMetrics } from '../../src/core/metrics.ts';
import type { CameraState } from '../../src/core/types.ts';
import { joined } from '../../src/software-worker/troubles.ts';

const clock = { reason: 'its clock is 3 h ahead', code: 'camera.clock' } as const;
const late = { reason: '2.1 of 5.0 frames a second are looked at', code: 'camera.late' } as const;

test('camera troubles: everything that is wrong is in the words and counted by its code, each time it begins', async () => {
  const metrics = createMetrics();
  const health = createCameraHealth(metrics);
  const live: CameraState = { state: 'live', since: 0, codec: 'h264', width: 640, height: 480, decode: 'software' };
  assert.deepEqual(joined([undefined, clock, late]), {
    reason: 'its clock is 3 h ahead; 2.1 of 5.0 frames a second are looked at',
    code: 'camera.clock',
    otherCodes: ['camera.late'],
  });
  for (const troubles of [[clock], [clock, late], [late], [clock, late], [], []])
    health.note('lobby', { ...live, ...(troubles.length === 0 ? {} : joined(troubles)) });
  const text = await metrics.registry.metrics();
  assert.match(text, /troubles_total\{camera="lobby",code="camera.clock"\} 2$/m);
  assert.match(text, /troubles_total\{camera="lobby",code="camera.late"\} 1$/m);
});

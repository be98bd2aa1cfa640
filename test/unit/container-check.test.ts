import assert from 'node:assert/strict';
import { it } from 'node:test';
import { configSchema } from '../../src/config/schema.ts';
import { checkBody } from '../../src/workers/container-check.ts';
import { containerBody, labels } from '../../src/workers/container-spec.ts';

it('the container of a check has what a worker has, and neither its network, its mounts nor its owner', () => {
  const { deepstream: settings } = configSchema.parse({ deepstream: { cpus: 2 } });
  const common = { settings, gpu: 'GPU-1', user: { uid: 1000, gid: 1000 }, groups: [44] };
  const { HostConfig: host, Labels, ...body } = checkBody(common);
  const {
    HostConfig: workerHost,
    Labels: _,
    ...worker
  } = containerBody({
    ...{ ...common, owner: 'us', worker: 'deepstream-main', version: '1', imageId: 'sha256:1' },
    ...{ folders: { run: '/data/run', settings: '/data/deepstream' }, films: [], files: new Map() },
  });
  assert.deepEqual(body, { ...worker, Cmd: body.Cmd });
  assert.equal(body.Cmd[0], '--check');
  assert.deepEqual(host, {
    ...workerHost,
    ...{ NetworkMode: 'none', Mounts: [] },
    Tmpfs: { ...workerHost.Tmpfs, '/var/cache/cuda': 'rw,nosuid,nodev,size=512m,mode=1777' },
  });
  assert.equal(host.ReadonlyRootfs, true);
  assert.deepEqual(host.DeviceRequests?.[0]?.DeviceIDs, ['GPU-1']);
  assert.equal(Labels[labels.owner], 'doctor');
});

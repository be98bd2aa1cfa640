import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  clockFinding,
  diskFinding,
  memoryFinding,
  portFinding,
  reachFinding,
  weightsFinding,
} from '../../src/doctor/findings.ts';
import { engineFinding, gpuFinding, imageFinding, readGpus, toolkitFinding } from '../../src/doctor/gpu-findings.ts';

const gib = 1024 ** 3;
const verdictOf = ({ verdict, remedy }: { verdict: string; remedy?: string }) => [verdict, remedy !== undefined];

describe('what the doctor makes of a machine', () => {
  it('tells a full disk from a small one, and says which folder', () => {
    const disk = (freeBytes: number) => diskFinding({ directory: '/srv/sightline', freeBytes, totalBytes: 100 * gib });
    assert.deepEqual(
      [0.1, 1, 50].map((free) => verdictOf(disk(free * gib))),
      [
        ['fail', true],
        ['warn', true],
        ['pass', false],
      ],
    );
    assert.equal(disk(1.5 * gib).seen, '/srv/sightline: 1.5 GiB of 100.0 GiB free');
  });

  it('warns where not even one camera fits into memory', () => {
    const memory = (availableBytes: number) => memoryFinding({ availableBytes, totalBytes: 2 * gib, cores: 1 });
    assert.deepEqual(
      [gib / 4, gib].map((free) => memory(free).verdict),
      ['warn', 'pass'],
    );
    assert.match(memory(gib).seen, /1\.0 GiB of 2\.0 GiB available, 1 core$/);
  });

  it('fails a clock that is not kept, and only warns where nobody knows', () => {
    assert.deepEqual(
      [{ kept: true, by: 'chronyc' }, { kept: false, by: 'timedatectl' }, { kept: undefined }].map(
        (facts) => clockFinding(facts).verdict,
      ),
      ['pass', 'fail', 'warn'],
    );
  });

  it('takes a port that the daemon holds for well, and names the setting of one that somebody else has', () => {
    const port = { setting: 'http.port', host: '127.0.0.1', port: 8080 };
    assert.deepEqual(
      (['free', 'ours'] as const).map((state) => portFinding({ ...port, state }).verdict),
      ['pass', 'pass'],
    );
    const held = portFinding({ ...port, state: { refused: 'something else listens there' } });
    assert.deepEqual(held, {
      subject: 'port',
      verdict: 'fail',
      seen: 'http.port 127.0.0.1:8080: something else listens there',
      remedy: 'end what listens there, or set http.port to another',
    });
    assert.equal(portFinding({ ...port, host: '::1', state: 'free' }).seen, 'http.port [::1]:8080 is free');
  });

  it('says which camera or broker does not answer', () => {
    assert.equal(reachFinding({ what: 'camera lobby', address: '10.0.0.21:554' }).verdict, 'pass');
    assert.match(
      reachFinding({ what: 'camera lobby', address: '10.0.0.21:554', trouble: 'no such name' }).seen,
      /^10\.0\.0\.21:554: no/,
    );
  });

  it('names the weights that are missing and the command that gets them', () => {
    assert.equal(weightsFinding(['centerface'], []).verdict, 'pass');
    assert.match(
      weightsFinding(['centerface', 'face_embed'], ['face_embed']).remedy ?? '',
      /^sightline models fetch face_embed,/,
    );
  });
});

describe('what the doctor makes of a GPU machine', () => {
  it('reads what nvidia-smi lists, and refuses a driver that is too old', () => {
    const gpus = readGpus('0, NVIDIA L4, 595.58.03, 23034\n1, NVIDIA L4, 580.12, 23034\n\nnoise\n');
    assert.deepEqual(gpus, [
      { index: 0, name: 'NVIDIA L4', driver: '595.58.03', memoryMiB: 23034 },
      { index: 1, name: 'NVIDIA L4', driver: '580.12', memoryMiB: 23034 },
    ]);
    assert.equal(gpuFinding(gpus.slice(0, 1)).verdict, 'pass');
    assert.match(gpuFinding(gpus).remedy ?? '', /595 or later, not 580\.12/);
  });

  it('tells no driver from no GPU and from a driver that fails', () => {
    assert.match(gpuFinding(undefined).seen, /no driver/);
    assert.match(gpuFinding([]).seen, /no GPU/);
    assert.match(gpuFinding('Failed to initialize NVML').seen, /Failed to initialize NVML/);
  });

  it('says what to do about an engine that may not be asked, is not there, or is too old', () => {
    const socket = '/var/run/docker.sock';
    const trouble = (errno: string) => engineFinding({ socket, trouble: { errno, words: errno } }).remedy ?? '';
    assert.match(trouble('EACCES'), /usermod -aG docker/);
    assert.match(trouble('ENOENT'), /systemctl start docker/);
    assert.match(trouble('EIO'), /journalctl/);
    assert.deepEqual(
      ['1.9', '1.40', '1.41', '1.51', '2.0'].map((apiVersion) => engineFinding({ socket, version: '1', apiVersion }).verdict),
      ['fail', 'fail', 'pass', 'pass', 'pass'],
    );
  });

  it('finds GPUs by runtime or by CDI, and says how to get either', () => {
    const socket = '/x';
    assert.equal(toolkitFinding({ socket, runtimes: ['runc', 'nvidia'] }, 'request').verdict, 'pass');
    assert.equal(toolkitFinding({ socket, runtimes: ['runc'], cdiDevices: ['nvidia.com/gpu=0'] }, 'request').verdict, 'pass');
    assert.match(toolkitFinding({ socket, runtimes: ['runc'] }, 'request').remedy ?? '', /nvidia-ctk/);
    assert.equal(toolkitFinding({ socket, trouble: { errno: 'EACCES', words: '' } }, 'request').verdict, 'skip');
  });

  it('asks for no container toolkit where containers get no GPU, and warns of that, also where there is one', () => {
    for (const runtimes of [['runc'], ['runc', 'nvidia']]) {
      const { verdict, seen, remedy } = toolkitFinding({ socket: '/x', runtimes }, 'none');
      assert.equal(verdict, 'warn');
      assert.match(seen, /deepstream\.gpuAccess is none/);
      assert.doesNotMatch(remedy ?? '', /install/);
    }
  });

  it('tells an image that is not here from one that cannot be asked for', () => {
    assert.deepEqual(
      [true, false, undefined].map((here) => imageFinding('x:1', here).verdict),
      ['pass', 'fail', 'skip'],
    );
    assert.match(imageFinding('x:1', false).remedy ?? '', /deepstream\.image/);
  });
});

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureDirectory } from '../support/fixtures.ts';
import { until } from '../support/until.ts';

const root = resolve(import.meta.dirname, '../..');
const answers = (...args: readonly string[]) => spawnSync('docker', args, { stdio: 'ignore', timeout: 20_000 }).status === 0;
const noEngine = missingTool(answers('version'), 'a running Docker engine');

/** Without a way to a registry of images there is a base that was made on this machine. */
const localBase = 'sightline/debian:bookworm';
const image = `sightline/test:${randomUUID()}`;

async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('docker', args, { cwd: root, maxBuffer: 1 << 26 });
  return stdout.trim();
}

const config = `
dataDir: /var/lib/sightline
inference: { repository: /fixtures/model_repository }
models: { face: fixture_embed, appearance: fixture_clip, enrolment: fixture_face, enrolmentBody: fixture_person }
mqtt: { enabled: false }
lists: { banned: { severity: high } }
cameras:
  lobby: { source: /fixtures/clips/lobby.mp4, realtime: true, loop: true, detect: [ { model: fixture_face } ] }
`;

describe('the image of the Dockerfile', { skip: noEngine }, () => {
  before(async () => {
    const base = answers('image', 'inspect', localBase) ? ['--build-arg', `BASE=${localBase}`] : [];
    await docker('build', '--network', 'host', ...base, '--label', 'sightline.test=1', '--tag', image, '.');
  });
  after(async () => {
    await docker('image', 'rm', '--force', image);
  });

  it('runs as a user without rights, with the program as its entry', async () => {
    assert.match(await docker('run', '--rm', '--entrypoint', 'id', image), /^uid=10001\(sightline\) gid=10001/);
    assert.match(await docker('run', '--rm', image, '--help'), /Usage: sightline COMMAND/);
  });

  it('checks the configuration of compose.yaml', async () => {
    const said = await docker(
      'run',
      '--rm',
      '-v',
      `${root}/docker:/etc/sightline:ro`,
      image,
      'check',
      '/etc/sightline/sightline.yaml',
    );
    assert.match(said, /sightline\.yaml is fine/);
  });

  it('holds no compiler, no development packages and no weights but those of the demo', async () => {
    const gone = ['/usr/bin/g++', '/opt/sightline/node_modules/typescript', '/opt/sightline/node_modules/@biomejs/biome'];
    const test = `for path in ${gone.join(' ')}; do [ ! -e "$path" ] || echo "$path"; done; cd /opt/sightline/model_repository && find . -name '*.onnx' | sort`;
    const found = await docker('run', '--rm', '--entrypoint', 'sh', image, '-c', test);
    assert.deepEqual(found.split('\n'), ['./demo_embed/1/model.onnx', './demo_face/1/model.onnx']);
  });

  it('runs the demo without a network, on a read-only root, to its end', async () => {
    const limits = ['--no-healthcheck', '--read-only', '--tmpfs', '/tmp', '--network', 'none', '--cap-drop', 'ALL'];
    const lines = (await docker('run', '--rm', '--label', 'sightline.test=1', ...limits, image, 'demo', '--loops', '1')).split(
      '\n',
    );
    assert.ok(lines.length >= 3, lines.join('\n'));
    for (const line of lines) assert.match(line, /^alert time=\S+ name=(ada|bruno) camera=lobby similarity=/);
  });

  it('watches, enrols, alerts, is healthy and drains, on a read-only root without capabilities', async () => {
    await using directory = await temporaryDirectory();
    await chmod(directory.path, 0o755);
    const file = join(directory.path, 'sightline.yaml');
    await writeFile(file, config);
    await chmod(file, 0o644);
    const id = await docker(
      ...['run', '--detach', '--label', 'sightline.test=1', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL'],
      ...['--tmpfs', '/var/lib/sightline:uid=10001,mode=0700', '--health-interval', '1s'],
      ...['-v', `${directory.path}:/etc/sightline:ro`, '-v', `${fixtureDirectory}:/fixtures:ro`, image],
    );
    try {
      const sightline = (...args: readonly string[]) =>
        docker('exec', id, 'sightline', ...args, '--config', '/etc/sightline/sightline.yaml');
      await until('the daemon answers', () => sightline('status').catch(() => undefined), 60_000);
      assert.match(await docker('logs', id).then(() => sightline('status')), /watchlist\s+ready/);
      await sightline('enroll', '/fixtures/photos/ada/enrol_1.jpg', '--name', 'Ada', '--list', 'banned');
      await until('the alert', async () => /Ada \(banned\)/.test(await sightline('alerts', 'list')), 120_000);
      await until(
        'the health check passes',
        async () => (await docker('inspect', id, '--format', '{{.State.Health.Status}}')) === 'healthy',
        60_000,
      );
      await docker('stop', '--time', '15', id);
      assert.equal(await docker('inspect', id, '--format', '{{.State.ExitCode}}'), '0');
    } finally {
      await docker('rm', '--force', '--volumes', id);
    }
  });
});

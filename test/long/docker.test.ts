import assert from 'node:assert/strict';
import { chmod, cp, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import { ComposeProject, readCompose } from '../support/compose.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { buildImage, docker, type Image, missingEngine, testLabel } from '../support/docker.ts';
import { fixtureDirectory } from '../support/fixtures.ts';
import { missingTriton, tritonFolder } from '../support/triton.ts';
import { until } from '../support/until.ts';

const root = resolve(import.meta.dirname, '../..');
const noEngine = missingEngine();

const config = `
dataDir: /var/lib/sightline
inference: { repository: /fixtures/model_repository }
models: { face: fixture_embed, appearance: fixture_clip, enrolment: fixture_face, enrolmentBody: fixture_person }
mqtt: { enabled: false }
lists: { banned: { severity: high } }
cameras:
  lobby: { source: /fixtures/clips/lobby.mp4, realtime: true, loop: true, detect: [ { model: fixture_face } ] }
`;

let image: Image;
before(async () => {
  if (noEngine === false) image = await buildImage();
});
after(() => image?.[Symbol.asyncDispose]());

describe('the image of the Dockerfile', { skip: noEngine }, () => {
  it('runs as a user without rights, with the program as its entry', async () => {
    assert.match(await docker('run', '--rm', '--entrypoint', 'id', image.name), /^uid=10001\(sightline\) gid=10001/);
    assert.match(await docker('run', '--rm', image.name, '--help'), /Usage: sightline COMMAND/);
  });

  it('checks the configuration of compose.yaml', async () => {
    const folder = ['-v', `${root}/docker:/etc/sightline:ro`];
    const said = await docker('run', '--rm', ...folder, image.name, 'check', '/etc/sightline/sightline.yaml');
    assert.match(said, /sightline\.yaml is fine/);
  });

  it('holds no compiler, no development packages and no weights but those of the demo', async () => {
    const gone = ['/usr/bin/g++', '/opt/sightline/node_modules/typescript', '/opt/sightline/node_modules/@biomejs/biome'];
    const test = `for path in ${gone.join(' ')}; do [ ! -e "$path" ] || echo "$path"; done; cd /opt/sightline/model_repository && find . -name '*.onnx' | sort`;
    const found = await docker('run', '--rm', '--entrypoint', 'sh', image.name, '-c', test);
    assert.deepEqual(found.split('\n'), ['./demo_embed/1/model.onnx', './demo_face/1/model.onnx']);
  });

  it('runs the demo without a network, on a read-only root, to its end', async () => {
    const limits = ['--no-healthcheck', '--read-only', '--tmpfs', '/tmp', '--network', 'none', '--cap-drop', 'ALL'];
    const lines = (await docker('run', '--rm', ...testLabel, ...limits, image.name, 'demo', '--loops', '1')).split('\n');
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
      ...['run', '--detach', ...testLabel, '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL'],
      ...['--tmpfs', '/var/lib/sightline:uid=10001,mode=0700', '--health-interval', '1s'],
      ...['-v', `${directory.path}:/etc/sightline:ro`, '-v', `${fixtureDirectory}:/fixtures:ro`, image.name],
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

/** Profile `cpu` with images made here: NVIDIA's and the broker's are on registries that a test may not reach. */
describe('compose.yaml without a GPU', { skip: noEngine || (await missingTriton()) }, () => {
  const images = resolve(fixtureDirectory, 'images');
  const cleanUp = new AsyncDisposableStack();
  after(() => cleanUp.disposeAsync());
  const patience = 120_000;
  let project: ComposeProject;
  const sightline = (...args: readonly string[]) => project.exec('sightline', 'sightline', ...args);
  const triton = (path: string) => project.exec('triton-cpu', 'curl', '--fail', '--silent', `http://127.0.0.1:8000/v2/${path}`);
  /** Of the whole; it ends with 1 as long as something is not ready. */
  const status = () => project.exec('sightline', 'sh', '-c', 'sightline status || true');
  /** What the broker gives to whoever asks for alerts, until one was opened after this was called. */
  const opened = async (): Promise<{ readonly entry?: { readonly name: string } }> => {
    const asked = ['--qos', '1', '--topic', 'sightline/v1/alerts/+', '-W', String(patience / 1000)];
    for (;;) {
      const alert = JSON.parse(await project.exec('broker', 'mosquitto_sub', ...asked, '-C', '1'));
      if (alert.state === 'opened') return alert;
    }
  };

  before(async () => {
    const server = cleanUp.use(await buildImage({ file: join(images, 'triton.Dockerfile'), context: tritonFolder }));
    const broker = cleanUp.use(await buildImage({ file: join(images, 'broker.Dockerfile'), context: images }));
    const folder = cleanUp.use(await temporaryDirectory());
    await cp(join(root, 'docker'), folder.path, { recursive: true });
    const file = join(folder.path, 'sightline.yaml');
    const own = {
      ...parse(await readFile(file, 'utf8')),
      models: { face: 'fixture_embed', enrolment: 'fixture_face' },
      alerting: { leaveAfter: '5s' },
      cameras: {
        lobby: { source: '/fixtures/clips/lobby.mp4', realtime: true, loop: true, detect: [{ model: 'fixture_face' }] },
      },
    };
    await writeFile(file, stringify(own));
    await chmod(folder.path, 0o755);
    const [program, fixtures] = [image.name, `${fixtureDirectory}:/fixtures:ro`];
    project = await ComposeProject.create({
      file: readCompose(),
      images: { sightline: program, 'render-cpu': program, 'triton-cpu': server.name, broker: broker.name },
      folders: { './docker': folder.path },
      mounts: { sightline: [fixtures] },
    });
    cleanUp.use(project);
    // In place of `sightline models fetch`; one of the networks is none.
    const seed = [
      'cd /opt/sightline/model_repository',
      'cp -r /fixtures/model_repository/fixture_face /fixtures/model_repository/fixture_embed .',
      'cp -r fixture_embed broken && echo broken > broken/1/model.onnx && sed -i "s/name: \\"fixture_embed\\"/name: \\"broken\\"/" broken/config.pbtxt',
    ].join(' && ');
    await project.run('sightline', ['--entrypoint', 'sh'], '-c', seed);
    await project.up('cpu');
  });

  it('renders what Triton serves, and one broken network does not take the others away', async () => {
    assert.match(
      await project.logs('render-cpu'),
      /^\/srv\/models\/cpu: \d models \(broken, demo_embed, demo_face, fixture_embed, fixture_face\)/,
    );
    await project.untilHealthy('triton-cpu', patience);
    await triton('models/fixture_face/ready');
    await assert.rejects(triton('models/broken/ready'), { code: 22 }, 'an answer that is an error');
  });

  it('recognises through Triton, and says so over the broker', async () => {
    await project.untilHealthy('sightline', patience);
    await sightline('enroll', '/fixtures/photos/ada/enrol_1.jpg', '--name', 'Ada', '--list', 'banned');
    assert.equal((await opened()).entry?.name, 'Ada');
    for (const model of ['fixture_face', 'fixture_embed']) {
      const stats = JSON.parse(await triton(`models/${model}/stats`));
      assert.ok(stats.model_stats[0].inference_count > 0, model);
    }
  });

  it('goes on without Triton, says that it is away, and recognises again once it is back', async () => {
    const id = project.container('triton-cpu');
    await docker('stop', id);
    assert.equal(await docker('inspect', id, '--format', '{{.State.ExitCode}}'), '0', 'it ended within its grace period');
    await until('Sightline misses it', async () => /^triton .*not ready/m.test(await status()), patience);
    await docker('start', id);
    assert.equal((await opened()).entry?.name, 'Ada');
    await until('nothing is amiss', async () => !/not ready/.test(await status()), patience);
  });

  it('shows Triton to Sightline and not to the broker', async () => {
    assert.match(await project.exec('sightline', 'getent', 'hosts', 'triton'), / triton$/);
    await assert.rejects(project.exec('broker', 'getent', 'hosts', 'triton'), { code: 2 });
  });
});

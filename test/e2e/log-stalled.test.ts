import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { hasMosquitto, listen, startBroker } from '../support/broker.ts';
import { mainFile } from '../support/cli.ts';
import { alertWith, createWorkplace, cutClip, patience } from '../support/daemon.ts';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { until } from '../support/until.ts';

const skip = missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');

test('whoever stops reading the log stops neither alerts nor the end of the daemon, and is told what was missed', {
  skip,
}, async () => {
  await using broker = await startBroker();
  await using listener = await listen(broker.port);
  // Not watched, so that only what this test asks for is logged.
  await using place = await createWorkplace({}, { watched: false });
  const config = { mqtt: { url: broker.url, snapshot: 'off' }, lists: { watch: {} }, cameras: {} } as const;
  const camera = { source: cutClip(place.directory, 'ada', 17, 55), loop: true, realtime: true };
  const many = Array.from({ length: 300 }, (_, index) => [`camera-${index}`, { source: 'x', nonsense: true }] as const);
  const refused = { ...config, cameras: Object.fromEntries(many) };
  place.configure(config);
  await place.enrol('watch', 'ada');

  const child = spawn(process.execPath, [mainFile, 'run', place.configFile], {
    cwd: place.directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  try {
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    const lines = () =>
      text
        .slice(0, text.lastIndexOf('\n') + 1)
        .split('\n')
        .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    const said = (message: string) => lines().findLast(({ msg }) => msg === message);
    await Promise.race([
      until('the daemon watches', () => said('sightline is watching'), patience),
      exited.then(() => assert.fail(`the daemon ended: ${text}`)),
    ]);
    const { host, port } = said('http server open');
    const lost = async () => {
      const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
      return Number(/^sightline_log_lines_lost_total (\d+)$/m.exec(metrics)?.[1]);
    };
    const fillLog = async (beyond: number) => {
      place.configure(refused as never);
      await until(
        'lines to be lost',
        async () => {
          assert.equal((await place.ask('config.reload', {})).state, 'refused');
          return (await lost()) > beyond;
        },
        patience,
      );
    };

    assert.equal(await lost(), 0);
    child.stderr.pause();
    await fillLog(0);
    place.configure({ ...config, cameras: { lobby: camera } });
    assert.equal((await place.ask('config.reload', {})).state, 'applied');
    await alertWith(listener, { name: 'ada', state: 'opened' });
    child.stderr.resume();
    const confession = await until('what was missed', () => said('log lines were lost'), patience);
    assert.equal(confession.level, 'warn');
    const missed = await lost();
    assert.equal(confession.lines, missed);

    child.stderr.pause();
    await fillLog(missed);
    child.kill('SIGTERM');
    const [code] = await exited;
    assert.equal(code, 0);
  } finally {
    child.kill('SIGKILL');
    child.stderr.resume();
    await exited;
  }
});

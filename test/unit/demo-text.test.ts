import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { colouredLines, plainLines } from '../../src/cli/demo-text.ts';
import type { DemoAlert, DemoEvent, DemoFacts } from '../../src/core/demo.ts';

const alert: DemoAlert = {
  id: 'a-1',
  name: 'ada',
  list: 'watched',
  camera: 'lobby',
  at: Date.parse('2026-11-21T14:03:05Z'),
  similarity: 0.714,
  threshold: 0.4,
  sinceSeenMs: 920,
  sinceFrameMs: 130,
  late: false,
};
const facts: DemoFacts = {
  program: 'bin/sightline',
  cast: [
    { name: 'ada', role: 'listed', sentence: 'Ada is on the list.' },
    { name: 'otto', role: 'ignored', sentence: '' },
    { name: 'nora', role: 'lookalike', sentence: '' },
    { name: 'pip', role: 'other', sentence: '' },
  ],
  listed: ['ada'],
  ignored: ['otto'],
  index: { kind: 'scan', reason: 'the addon is missing' },
  engine: 'embedded',
  detector: 'demo_face',
  embedder: 'demo_embed',
  threshold: 0.4,
  broker: { url: 'mqtt://127.0.0.1:1883', host: '127.0.0.1', port: 1883, own: false },
  baseTopic: 'sightline-demo',
  cameras: ['rtsp://127.0.0.1:9001/lobby'],
  stream: 'rtsp://127.0.0.1:8554/lobby',
  directory: '/tmp/d',
  dataDir: '/tmp/d/data',
  log: '/tmp/d/demo.log',
};
const screen = { timeZone: 'UTC', columns: 100, colours: false };

describe('the demo without a terminal', () => {
  it('gives one line for an alert and nothing else on stdout', () => {
    assert.deepEqual(plainLines({ kind: 'alert', alert }, 'UTC').out, [
      'alert time=14:03:05 name=ada camera=lobby similarity=0.71 needs=0.40 told_after_s=0.92 list=watched id=a-1',
    ]);
    const others: readonly DemoEvent[] = [
      { kind: 'note', text: 'n' },
      { kind: 'warning', text: 'w' },
      { kind: 'ready', facts },
      { kind: 'toured', facts },
      { kind: 'silence', silence: { why: 'ignored', camera: 'lobby', nearest: 'otto', list: 'staff' } },
      { kind: 'stopping' },
      { kind: 'stopped', alerts: 1, program: 'sightline' },
    ];
    for (const event of others) {
      const { out, say } = plainLines(event, 'UTC');
      assert.deepEqual(out, []);
      assert.ok(say.length > 0, event.kind);
    }
  });

  it('keeps an alert on one line whatever a name holds', () => {
    const [line = ''] = plainLines({ kind: 'alert', alert: { ...alert, name: 'a b"\n\u001b[2J', late: true } }, 'UTC').out;
    assert.match(line, /name="a b\\"\\n\\u001b\[2J" camera=lobby .* late=yes$/);
  });
});

describe('the demo in a terminal', () => {
  it('states index, engine, models, addresses and where else to look', () => {
    const text = colouredLines({ kind: 'ready', facts }, screen).join('\n');
    for (const words of [
      'demo_face',
      'demo_embed, similarity needed 0.40',
      'a plain scan, exact but slower than FAISS: the addon is missing',
      'ONNX Runtime',
      "mosquitto_sub -h 127.0.0.1 -p 1883 -t 'sightline-demo/v1/alerts/+'",
      'rtsp://127.0.0.1:9001/lobby',
      'rtsp://127.0.0.1:8554/lobby and rtsp://127.0.0.1:8554/lobby/annotated: of Sightline, for players',
      'ffplay -rtsp_transport tcp rtsp://127.0.0.1:8554/lobby/annotated',
      'Ada is on the list.',
    ])
      assert.ok(text.includes(words), `${words} in ${text}`);
  });

  it('shows an alert as a bar and a number, and calls it a similarity', () => {
    const [head = '', times = ''] = colouredLines({ kind: 'alert', alert }, screen);
    assert.match(head, /14:03:05 .*ada .*lobby .*█+.* 0\.71 similarity, not identity$/);
    assert.match(times, /told 0\.92 s after first seen, 0\.13 s after the deciding frame; needs 0\.40$/);
    const bar = (similarity: number) =>
      colouredLines({ kind: 'alert', alert: { ...alert, similarity } }, screen)[0]?.match(/█/g)?.length ?? 0;
    assert.equal(bar(1), 24);
    assert.equal(bar(0.5), 12);
    assert.equal(bar(-0.2), 0);
  });

  it('fits a narrow window', () => {
    const [head = ''] = colouredLines({ kind: 'alert', alert }, { ...screen, columns: 64 });
    assert.ok(head.length <= 72, head);
  });

  it('has colours only where they are wanted, and lets nobody else steer the terminal', () => {
    const evil = { ...alert, name: 'ada\u001b[2J\u0007' };
    const plain = colouredLines({ kind: 'alert', alert: evil }, screen).join('\n');
    const coloured = colouredLines({ kind: 'alert', alert: evil }, { ...screen, colours: true }).join('\n');
    assert.ok(!plain.includes('\u001b'));
    assert.ok(coloured.includes('\u001b[31;1m'));
    assert.equal(stripVTControlCharacters(coloured), plain);
  });

  it('proposes somebody who is neither listed nor ignored', () => {
    const text = colouredLines({ kind: 'toured', facts }, screen).join('\n');
    assert.match(text, /bin\/sightline demo --watch pip/);
    assert.match(text, /bin\/sightline why --camera lobby --at \$\(date \+%T\) --data \/tmp\/d\/data/);
    assert.match(text, /bin\/sightline models fetch --set face/);
  });

  it('proposes nobody whose face is hidden, and nobody where all are taken', () => {
    const hidden = { name: 'sid', role: 'hidden', sentence: '' } as const;
    const only = { ...facts, cast: [...facts.cast.filter(({ name }) => name === 'ada' || name === 'otto'), hidden] };
    assert.doesNotMatch(colouredLines({ kind: 'toured', facts: only }, screen).join('\n'), /--watch/);
    const all = { ...facts, cast: [...facts.cast, hidden] };
    const text = colouredLines({ kind: 'ready', facts: all }, screen).join('\n');
    assert.match(text, /Type a name and Enter to list somebody else: otto, nora, pip$/m);
    const listed = { ...only, listed: ['ada', 'otto'] };
    assert.match(colouredLines({ kind: 'ready', facts: listed }, screen).join('\n'), /Ctrl-C ends it\.$/m);
  });

  it('gives commands that a shell takes wherever things lie, and says when they need a password', () => {
    const spaced: DemoFacts = {
      ...facts,
      program: '/my programs/bin/sightline',
      dataDir: '/my demo/data',
      configFile: '/my demo/sightline.yaml',
      passwordIn: 'MQTT_PASSWORD',
    };
    const text = [
      ...plainLines({ kind: 'ready', facts: spaced }, 'UTC').say,
      ...plainLines({ kind: 'toured', facts: spaced }, 'UTC').say,
    ].join('\n');
    for (const command of [
      "afterwards MQTT_PASSWORD=... '/my programs/bin/sightline' run '/my demo/sightline.yaml'",
      "'/my programs/bin/sightline' status --data '/my demo/data'",
      "'/my programs/bin/sightline' demo --watch pip",
      "'/my programs/bin/sightline' alerts list --data '/my demo/data'",
      "'/my programs/bin/sightline' camera probe rtsp://",
    ])
      assert.ok(text.includes(command), `${command} in ${text}`);
  });

  it('says at the end what stays, and what the broker has not taken', () => {
    const waiting = { messages: 2, broker: 'mqtt://host:1883' };
    const said = (some: Partial<Extract<DemoEvent, { kind: 'stopped' }>>) =>
      plainLines({ kind: 'stopped', alerts: 0, program: 'bin/sightline', ...some }, 'UTC').say;
    assert.deepEqual(said({}), ['0 alerts; nothing is left behind']);
    assert.deepEqual(said({ waiting }), [
      '0 alerts, 2 messages waited for the broker mqtt://host:1883; nothing is left behind',
    ]);
    assert.deepEqual(said({ kept: '/a b', configFile: '/a b/s.yaml', passwordIn: 'MQTT_PASSWORD' }), [
      "0 alerts; kept in /a b: MQTT_PASSWORD=... bin/sightline run '/a b/s.yaml' goes on with it",
    ]);
  });

  it('says why nobody was told, calmly', () => {
    const silence = { why: 'unlike', camera: 'lobby', nearest: 'ada', similarity: 0.334, threshold: 0.4 } as const;
    assert.deepEqual(colouredLines({ kind: 'silence', silence }, screen), [
      '    not told: somebody who looks like ada on lobby, best similarity 0.33, needs 0.40',
    ]);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkConfig, type ModelFacts } from '../../src/config/check.ts';
import { issueText } from '../../src/config/issues.ts';
import { configOf } from '../support/config.ts';

const models: Readonly<Record<string, ModelFacts>> = {
  centerface: { kind: 'detector', labels: ['face'], landmarks: true },
  yolox_nano: { kind: 'detector', labels: ['person', 'bicycle', 'car'], landmarks: false },
  grid: { kind: 'detector', labels: ['person'], landmarks: false, notForDeepStream: 'grid has no parser there' },
  face_embed: { kind: 'face', labels: [], landmarks: false },
  person_embed: { kind: 'appearance', labels: [], landmarks: false, space: 'person_embed@1' },
  clip_text: { kind: 'text', labels: [], landmarks: false, space: 'clip_vit_b32@1' },
  clip_visual: { kind: 'appearance', labels: [], landmarks: false, space: 'clip_vit_b32@1' },
};

function check(text: string, known = models, hasFile?: (source: string) => boolean) {
  const { config, issueAt } = configOf(text);
  const { caFile } = config.inference;
  const result = checkConfig(config, {
    describeModel: (name) => known[name],
    modelNames: Object.keys(known),
    ...(hasFile === undefined ? {} : { hasFile }),
    tritonFiles: caFile === undefined ? [] : [{ setting: 'caFile', says: `${caFile}: there is no such file` }],
    issueAt,
  });
  const short = (issue: (typeof result.issues)[number]) => issueText(issue).replace('/etc/sightline/s.yaml:', '');
  return { issues: result.issues.map(short), warnings: result.warnings.map(short) };
}

/** One camera; `more` are further settings of it. */
const camera = (more = '') => `lists: { banned: {}, staff: { kind: ignore } }\ncameras:\n  lobby:\n    source: x.mp4\n${more}`;
const rule = (when: string) =>
  `${camera('    zones: { door: [[0, 0], [1, 0], [1, 1]] }\n')}alerts:\n  - name: r\n    when: ${when}\n`;

const bodies = camera('    detect: [{ model: yolox_nano }]\n    recognise: [appearance]\n');

const refused: readonly { readonly name: string; readonly text: string; readonly issues: readonly string[] }[] = [
  {
    name: 'an alert that would end between two looks at somebody who stands still',
    text: `${camera('    crops: { refresh: 8s }\n    motion: { refresh: 2s }\n')}  yard: { source: y.mp4, enabled: false, crops: { refresh: 1m } }\nalerting:\n  leaveAfter: 10s\n`,
    issues: [
      '9:15 alerting.leaveAfter: 10 s is too short for lobby, which looks at somebody it knows every 10 s in a still scene (crops.refresh and motion.refresh): an alert would end while they are in view',
    ],
  },
  {
    name: 'a face recogniser without a detector that gives five points',
    text: camera('    detect: [{ model: yolox_nano }]'),
    issues: [
      '4:5 cameras.lobby.recognise[0]: no detector feeds face: it needs one that finds faces with five points, such as centerface or yunet; this camera has yolox_nano',
    ],
  },
  {
    name: 'an appearance recogniser whose detector leaves person out',
    text: camera(
      '    detect: [{ model: centerface }, { model: yolox_nano, classes: [car] }]\n    recognise: [face, appearance]',
    ),
    issues: [
      '6:23 cameras.lobby.recognise[1]: no detector feeds appearance: it needs one that finds person, such as yolox_nano; this camera has centerface, yolox_nano',
    ],
  },
  {
    name: 'descriptions beside an embedder of bodies in another space, with the remedy',
    text: `watchlist: { text: true }\n${bodies}`,
    issues: [
      '1:1 models.appearance: person_embed gives vectors of person_embed@1, clip_text those of clip_vit_b32@1, and these cannot be compared; for watchlist.text set an embedder of the same space, such as clip_visual for clip_text, or set watchlist.text to false',
    ],
  },
  {
    name: 'an embedder of texts that is none, or not there',
    text: `watchlist: { text: true }\nmodels: { text: clip_visual, appearance: clip_visual }\n${bodies}`,
    issues: [
      '2:17 models.text: clip_visual is of kind appearance; watchlist.text needs an embedder of texts, such as clip_text',
    ],
  },
  {
    name: 'thresholds of descriptions the wrong way round',
    text: `models: { thresholds: { description: { open: 0.2, keep: 0.3 } } }\n${camera()}`,
    issues: [
      '1:57 models.thresholds.description.keep: 0.3 is above open (0.2): an episode would be harder to keep than to open',
    ],
  },
  {
    name: 'a rule about descriptions while they are off',
    text: rule('{ kinds: [description] }'),
    issues: ['8:21 alerts[0].when.kinds[0]: nothing is compared with descriptions; set watchlist.text to true'],
  },
  {
    name: 'a model that the repository does not have, with the nearest one',
    text: camera('    detect: [{ model: centreface }]'),
    issues: ['5:23 cameras.lobby.detect[0].model: the model repository has no centreface; did you mean centerface?'],
  },
  {
    name: 'an embedder as a detector',
    text: camera('    detect: [{ model: face_embed }, { model: centerface }]'),
    issues: ['5:23 cameras.lobby.detect[0].model: face_embed is an embedder (face) and detects nothing; expected a detector'],
  },
  {
    name: 'a class that the detector does not know',
    text: camera('    detect: [{ model: centerface }, { model: yolox_nano, classes: [persn] }]'),
    issues: ['5:68 cameras.lobby.detect[1].classes[0]: yolox_nano has no class "persn"; did you mean person?'],
  },
  {
    name: 'models that do not do what they are named for',
    text: `models: { face: person_embed, enrolment: yolox_nano }\n${camera()}`,
    issues: [
      '1:17 models.face: person_embed is of kind appearance; expected an embedder of kind face',
      '1:42 models.enrolment: yolox_nano gives no five points; expected a face detector such as centerface or yunet',
    ],
  },
  {
    name: 'a model of texts where pictures are looked at',
    text: `models: { face: clip_text }\n${camera('    detect: [{ model: centerface }, { model: clip_text }]')}`,
    issues: [
      '1:17 models.face: clip_text is of kind text; expected an embedder of kind face',
      '6:46 cameras.lobby.detect[1].model: clip_text is an embedder (text) and detects nothing; expected a detector',
    ],
  },
  {
    name: 'models for bodies only where they are used',
    text: `models: { appearance: none, enrolmentBody: centerface }\n${camera('    detect: [{ model: centerface }, { model: yolox_nano }]\n    recognise: [appearance]')}`,
    issues: [
      '1:23 models.appearance: the model repository has no none, which compares bodies on lobby; known: centerface, yolox_nano, grid, face_embed, person_embed, clip_text, clip_visual',
      '1:44 models.enrolmentBody: centerface does not find person; expected a detector such as yolox_nano',
    ],
  },
  {
    name: 'a container without a Triton server',
    text: camera('    runtime: deepstream'),
    issues: [
      '5:14 cameras.lobby.runtime: deepstream asks a Triton server and has no engine of its own; set inference.engine to triton, or runtime to software',
    ],
  },
  {
    name: 'what a container cannot do',
    text: `inference: { engine: triton, url: "grpcs://triton", headers: { a: b } }\n${camera(
      '    runtime: deepstream\n    masks: [[[0, 0], [1, 0], [0, 1]]]\n    detectSource: y.mp4\n    decode: qsv\n    detect: [{ model: grid }, { model: centerface }]\n  gate: { source: rtsps://h/x, runtime: deepstream }\n  yard: { source: "gst:usb", runtime: deepstream }\n  door: { source: "http://h/x.m3u8", runtime: deepstream }',
    )}`,
    issues: [
      '1:35 inference.url[0]: grpcs:// is not for lobby: DeepStream has no TLS towards Triton; use grpc://',
      '1:62 inference.headers: cannot be sent for lobby: DeepStream has no headers towards Triton',
      '8:19 cameras.lobby.detectSource: is not used with runtime: deepstream: the card decodes one stream and scales it for the detectors itself; leave it out, or use runtime: software',
      '9:13 cameras.lobby.decode: qsv is not on an NVIDIA card; with runtime: deepstream use auto, nvdec or software',
      '10:23 cameras.lobby.detect[0].model: grid has no parser there',
      '11:19 cameras.gate.source: DeepStream opens rtsps:// once, and never again after a loss; with runtime: deepstream use rtsp:// or a file, otherwise runtime: software',
      '12:19 cameras.yard.source: gst: runs a pipeline of GStreamer on this machine, not on the card; with runtime: deepstream use rtsp:// or a file, otherwise runtime: software',
      '13:19 cameras.door.source: DeepStream opens http:// once, and never again after a loss; with runtime: deepstream use rtsp:// or a file, otherwise runtime: software',
    ],
  },
  {
    name: 'masks of a container on a Jetson',
    text: `inference: { engine: triton }\ndeepstream: { gpuAccess: runtime }\n${camera('    runtime: deepstream\n    masks: [[[0, 0], [1, 0], [0, 1]]]\n  gate: { source: y.mp4, runtime: deepstream }')}`,
    issues: [
      '8:12 cameras.lobby.masks: cannot be drawn with deepstream.gpuAccess: runtime, as on a Jetson, whose pictures are not in memory that CUDA writes to; use runtime: software for this camera, or gpuAccess: request where the card is no Jetson',
    ],
  },
  {
    name: 'one of several Triton servers that is somewhere else in the network of the containers',
    text: `inference: { engine: triton, url: [triton, localhost] }\ndeepstream: { network: cameras }\n${camera('    runtime: deepstream')}`,
    issues: [
      '2:24 deepstream.network: in cameras, localhost of inference.url is the container itself; name Triton as that network knows it, or set network to host',
    ],
  },
  {
    name: 'containers without a network',
    text: `inference: { engine: triton }\ndeepstream: { network: none }\n${camera('    runtime: deepstream')}`,
    issues: [
      '2:24 deepstream.network: none is a container without a network, which reaches neither Triton nor cameras; set host, or the name of a network that has both',
    ],
  },
  {
    name: 'a GPU that is named twice',
    text: `deepstream: { gpus: ["0", "1", "00", GPU-a1, "1", GPU-a1] }\n${camera()}`,
    issues: [
      '1:32 deepstream.gpus[2]: is the same GPU as 0 before it; name each once',
      '1:46 deepstream.gpus[4]: is the same GPU as 1 before it; name each once',
      '1:51 deepstream.gpus[5]: is the same GPU as GPU-a1 before it; name each once',
    ],
  },
  {
    name: 'a Triton server that is somewhere else in the network of the containers',
    text: `inference: { engine: triton }\ndeepstream: { network: cameras }\n${camera('    runtime: deepstream')}`,
    issues: [
      '2:24 deepstream.network: in cameras, localhost of inference.url is the container itself; name Triton as that network knows it, or set network to host',
    ],
  },
  {
    name: 'certificates of Triton that cannot be used',
    text: `inference: { engine: triton, url: "grpcs://triton", caFile: /ca.pem, certFile: /client.pem }\n${camera()}`,
    issues: ['1:61 inference.caFile: /ca.pem: there is no such file', '1:80 inference.certFile: needs inference.keyFile'],
  },
  {
    name: 'sources that nothing reads',
    text: camera('    detectSource: rtmp://h/x\n  gate:\n    source: "gst:a b"'),
    issues: [
      '5:19 cameras.lobby.detectSource: rtmp:// cannot be read; expected rtsp://, rtsps://, http://, https://, a file path or gst:NAME',
      '7:13 cameras.gate.source: gst: is followed by the name of a file in pipelines/, as in gst:test-pattern',
    ],
  },
  {
    name: 'masks that leave nothing, and polygons without area',
    text: camera(
      '    masks: [[[0, 0], [0.6, 0], [0.6, 1], [0, 1]], [[0.5, 0], [1, 0], [1, 1], [0.5, 1]], [[0, 0], [0.5, 0.5], [1, 1]]]\n    zones: { door: [[0, 0], [0.5, 0], [1, 0]] }',
    ),
    issues: [
      '5:12 cameras.lobby.masks: leave nothing of the picture to look at',
      '5:89 cameras.lobby.masks[2]: covers nothing: its corners lie on one line',
      '6:20 cameras.lobby.zones.door: covers nothing: its corners lie on one line',
    ],
  },
  {
    name: 'a threshold to keep above the one to open',
    text: 'models: { thresholds: { face: { open: 0.4, keep: 0.5 } } }',
    issues: ['1:50 models.thresholds.face.keep: 0.5 is above open (0.4): an episode would be harder to keep than to open'],
  },
  {
    name: 'half a client certificate and a password without a user in MQTT 3.1.1',
    text: 'mqtt: { certFile: c.pem, protocol: 3.1.1, password: x }',
    issues: [
      '1:7 mqtt.username: is missing; MQTT 3.1.1 takes a password only together with a username',
      '1:19 mqtt.certFile: needs mqtt.keyFile',
    ],
  },
  {
    name: 'two rules of one name',
    text: `${camera()}alerts: [{ name: r }, { name: r }]`,
    issues: ['5:31 alerts[1].name: "r" is the name of alerts[0] already'],
  },
  {
    name: 'unknown lists, cameras and zones in a rule',
    text: rule('{ lists: [baned, other], cameras: [loby], zones: [dor] }'),
    issues: [
      '8:21 alerts[0].when.lists[0]: there is no list baned; did you mean banned?',
      '8:28 alerts[0].when.lists[1]: there is no list other; known: banned, staff',
      '8:46 alerts[0].when.cameras[0]: there is no camera loby; did you mean lobby?',
      '8:61 alerts[0].when.zones[0]: there is no zone dor on loby; known: none',
    ],
  },
  {
    name: 'a zone of a camera that the rule does not name',
    text: `${rule('{ cameras: [gate], zones: [door] }').replace('alerts:', '  gate: { source: y }\nalerts:')}`,
    issues: ['9:38 alerts[0].when.zones[0]: door is a zone of lobby, which this rule does not name'],
  },
  {
    name: 'a dwell without a zone',
    text: rule('{ dwell: 5s }'),
    issues: ['8:20 alerts[0].when.dwell: needs zones: it is the time spent inside one'],
  },
  {
    name: 'a rule about ignore lists only',
    text: rule('{ lists: [staff] }'),
    issues: ['8:20 alerts[0].when.lists: holds ignore lists only, which never alert; name a watch list'],
  },
  {
    name: 'a rule about a kind that none of its cameras recognises',
    text: rule('{ kinds: [appearance] }'),
    issues: ['8:21 alerts[0].when.kinds[0]: no camera of this rule recognises appearance'],
  },
  {
    name: 'a rule about unknown faces that also names entries, a score or bodies',
    text: rule('{ unknown: 5s, lists: [banned], entries: [x], minScore: 0.5, kinds: [appearance] }'),
    issues: [
      '8:33 alerts[0].when.lists: cannot stand beside unknown: a rule is about entries or about unknown faces',
      '8:52 alerts[0].when.entries: cannot stand beside unknown: a rule is about entries or about unknown faces',
      '8:67 alerts[0].when.minScore: cannot stand beside unknown: an unknown face has no score',
      '8:79 alerts[0].when.kinds: cannot hold appearance beside unknown: only faces can be unknown',
    ],
  },
  {
    name: 'schedules that never hold or are nowhere',
    text: rule(
      '{ schedule: [{ timeZone: Europe/Berln }, { timeZone: "+02:00" }, { from: "08:00", to: "08:00" }, { from: "24:00" }] }',
    ),
    issues: [
      '8:36 alerts[0].when.schedule[0].timeZone: "Europe/Berln" is not a time zone; did you mean Europe/Berlin?',
      '8:64 alerts[0].when.schedule[1].timeZone: "+02:00" is not a time zone; expected an IANA name such as Europe/Berlin',
      '8:97 alerts[0].when.schedule[2].to: equals from (08:00): the window is empty; the whole day is 00:00 to 24:00',
      '8:108 alerts[0].when.schedule[3].to: equals from (24:00): the window is empty; the whole day is 00:00 to 24:00',
      '8:116 alerts[0].when.schedule[3].from: a window cannot begin at 24:00; expected 00:00 to 23:59',
    ],
  },
];

for (const { name, text, issues } of refused) {
  test(`refuses ${name}`, () => assert.deepEqual(check(text).issues, issues));
}

test('an empty repository is named as such', () => {
  assert.match(
    check(camera(), {}).issues[0] ?? '',
    /the repository is empty; set inference\.repository, or copy into it what docs\/models\.md names/,
  );
});

test('a working configuration has neither issues nor warnings', () => {
  const text = `
lists:
  banned: { severity: high }
  staff: { kind: ignore }
cameras:
  lobby:
    source: rtsp://10.0.0.21/stream1
    detect: [{ model: centerface }, { model: yolox_nano, classes: [person] }]
    recognise: [face, appearance]
    masks: [[[0, 0], [0.2, 0], [0.2, 1], [0, 1]]]
    zones: { door: [[0.4, 0.2], [0.6, 0.2], [0.6, 1]] }
alerts:
  - name: banned at the door
    when:
      lists: [banned]
      cameras: [lobby]
      zones: [door]
      dwell: 2s
      schedule: [{ days: [mon], from: "22:00", to: "06:00", timeZone: Europe/Berlin }]
  - { name: strangers, when: { unknown: 10s } }
`;
  assert.deepEqual(check(text), { issues: [], warnings: [] });
});

test('a Triton server beside containers that somebody else starts is no other network’s', () => {
  const text = `inference: { engine: triton }\ndeepstream: { start: attached, network: cameras }\n${camera('    runtime: deepstream')}`;
  assert.deepEqual(check(text).issues, []);
});

test('containers without a network are nobody’s where somebody else starts them, or none is started', () => {
  const site = (deepstream: string, runtime: string) =>
    check(`inference: { engine: triton }\ndeepstream: ${deepstream}\n${camera(`    runtime: ${runtime}\n`)}`).issues;
  assert.deepEqual(site('{ start: attached, network: none }', 'deepstream'), []);
  assert.deepEqual(site('{ network: none }', 'software'), []);
});

test('a container has eight detectors at most, of all of its cameras together', () => {
  const names = Array.from({ length: 9 }, (_, index) => `detector_${index + 1}`);
  const known = Object.fromEntries(
    names.map((name) => [name, { kind: 'detector', labels: ['face'], landmarks: true } as const]),
  );
  const one = (id: string, models: readonly string[], more = '') =>
    `  ${id}: { source: ${id}.mp4, runtime: deepstream, detect: [${models.map((model) => `{ model: ${model} }`).join(', ')}]${more} }\n`;
  const site = (cameras: string, deepstream = '{}') =>
    check(`inference: { engine: triton }\ndeepstream: ${deepstream}\ncameras:\n${cameras}`, {
      ...models,
      ...known,
    }).issues;
  const six = names.slice(0, 6);
  const others = names.slice(4);
  assert.deepEqual(site(one('a', six) + one('b', others)), [
    `5:154 cameras.b.detect[4].model: detector_9 is one detector too many for the container of group main, which has 8 at most: ${names.join(', ')}; use fewer, or put cameras with other detectors into another group`,
  ]);
  assert.deepEqual(site(one('a', six) + one('b', names.slice(0, 8))), []);
  assert.deepEqual(site(one('a', six) + one('b', others, ', group: yard')), []);
  assert.deepEqual(site(one('a', six) + one('b', others, ', enabled: false')), []);
  // Which of them share a container depends on where they were before.
  assert.deepEqual(site(one('a', six) + one('b', others), '{ camerasPerContainer: 1 }'), []);
});

test('masks are taken where the card is no Jetson, a software worker draws them, or nothing is known of the card', () => {
  const masks = '    masks: [[[0, 0], [1, 0], [0, 1]]]\n';
  const site = (deepstream: string, runtime: string) =>
    check(`inference: { engine: triton }\ndeepstream: ${deepstream}\n${camera(`${masks}    runtime: ${runtime}\n`)}`).issues;
  assert.deepEqual(site('{ gpuAccess: request }', 'deepstream'), []);
  assert.deepEqual(site('{ gpuAccess: runtime }', 'software'), []);
  assert.deepEqual(site('{ gpuAccess: runtime, start: attached }', 'deepstream'), []);
});

test('what is lived with is warned of', () => {
  assert.deepEqual(check('http: { host: 0.0.0.0 }\nlists: { staff: { kind: ignore } }').warnings, [
    '1:1 cameras: there is no camera to watch; add one under cameras',
    '1:15 http.host: passwords and pictures cross the network of 0.0.0.0 in the clear; set http.tls, or put a proxy with HTTPS before 127.0.0.1',
    '2:8 lists: there is no watch list, so nobody can be enrolled to be alerted on; add one under lists',
  ]);
});

test('of Triton’s addresses, those that can hardly be meant are warned of', () => {
  const warnings = (url: string, more = '') =>
    check(`inference: { engine: triton, url: ${url}${more} }\n${camera()}`).warnings.filter((line) => line.includes('.url'));
  assert.deepEqual(warnings('[localhost:8000, "[::1]:8002", localhost, grpc://localhost:8001]'), [
    "1:36 inference.url[0]: 8000 is Triton's port for HTTP unless it was told otherwise; for gRPC it is 8001",
    "1:52 inference.url[1]: 8002 is Triton's port for metrics unless it was told otherwise; for gRPC it is 8001",
    '1:77 inference.url[3]: is the same server as inference.url[2]',
  ]);
  assert.deepEqual(warnings('10.0.0.7', ', headers: { authorization: x }'), [
    '1:35 inference.url[0]: pictures and the secrets in inference.headers cross the network of 10.0.0.7 in the clear; grpcs:// is TLS',
  ]);
});

test('Triton needs no weights here, unless embedded stands in for it; what others can read is warned of', () => {
  const known = { ...models, centerface: { ...models['centerface'], missing: 'no weights' } as ModelFacts };
  const servers = 'engine: triton, url: [localhost, "10.0.0.7:8001", grpcs://triton]';
  const warnings = ['1:47 inference.url[1]: pictures cross the network of 10.0.0.7 in the clear; grpcs:// is TLS'];
  const sound = (more = '') => {
    const { issues, warnings: found } = check(`inference: { ${servers}${more} }\n${camera()}`, known);
    assert.deepEqual(issues, []);
    return found;
  };
  assert.deepEqual(sound(), warnings);
  assert.deepEqual(sound(', fallback: embedded'), [
    ...warnings,
    '1:91 inference.fallback: embedded cannot run centerface yet: no weights',
  ]);
  assert.deepEqual(check(`inference: { engine: triton, caFile: /ca.pem }\n${camera()}`).warnings, [
    '1:38 inference.caFile: is not used: no address in inference.url is grpcs://',
  ]);
});

test('a camera that cannot see yet is warned of: no weights, no file; one that is off is not', () => {
  const missing = 'no weights';
  const known = Object.fromEntries(Object.entries(models).map(([name, facts]) => [name, { ...facts, missing }]));
  const text = camera('    detect: [{ model: centerface }]');
  const hasFile = () => false;
  assert.deepEqual(check(text, known, hasFile), {
    issues: [],
    warnings: [
      '1:1 models.enrolment: nobody can be enrolled yet: no weights',
      '1:1 models.face: nobody is recognised yet: no weights',
      '4:13 cameras.lobby.source: there is no such file yet; the address of a camera begins with rtsp:// or http://',
      '5:23 cameras.lobby.detect[0].model: finds nothing yet: no weights',
    ],
  });
  assert.doesNotMatch(check(`${text}\n    enabled: false`, known, hasFile).warnings.join(), /lobby/);
});

test('a leaveAfter that outlasts the pauses between looks is accepted; without the motion gate they are shorter', () => {
  const looked = (motion: string) => check(`${camera(`    motion: ${motion}\n`)}alerting:\n  leaveAfter: 2500ms\n`).issues;
  assert.deepEqual(looked('{ enabled: false }'), []);
  assert.match(looked('{ enabled: true }').join(), /every 3 s in a still scene/);
});

import { isLoopback } from '../core/loopback.ts';
import { nearest } from '../core/nearest.ts';
import { type CropKind, matchKinds } from '../core/types.ts';
import { checkDeepStream } from './check-deepstream.ts';
import { checkInference } from './check-inference.ts';
import { type ConfigIssue, inFileOrder } from './issues.ts';
import type { CameraConfig, Config, DetectConfig, RuleConfig } from './schema.ts';
import type { SettingPath } from './settings.ts';

/**
 * What cannot work although every single value is allowed. Pure: what is known of models comes as a lookup, places come from
 * the loader. `issues` refuse the file; `warnings` are said and lived with.
 */

/** What the check needs to know of a model in the repository. */
export interface ModelFacts {
  readonly kind: 'detector' | 'text' | CropKind;
  /** Classes of a detector, in its own words. */
  readonly labels: readonly string[];
  /** Whether a detector gives the five points that face embedders need. */
  readonly landmarks: boolean;
  /** Embedding space of an embedder. */
  readonly space?: string;
  /** Why the embedded engine cannot run it yet: its weights are not there. */
  readonly missing?: string;
  /** Why DeepStream cannot run it, where it can run otherwise. */
  readonly notForDeepStream?: string;
}

export interface CheckLookups {
  describeModel(name: string): ModelFacts | undefined;
  /** Whether there is anything at a path; undefined for a source that is no path. */
  hasFile?(source: string): boolean | undefined;
  /** What is wrong with the files that the broker's settings name. */
  readonly brokerFiles?: readonly { readonly setting: string; readonly says: string }[];
  /** What is wrong with the files that the settings of Triton name. */
  readonly tritonFiles?: readonly { readonly setting: string; readonly says: string }[];
  /** For suggestions. */
  readonly modelNames: readonly string[];
  issueAt(path: SettingPath, message: string): ConfigIssue;
}

export interface CheckResult {
  readonly issues: readonly ConfigIssue[];
  readonly warnings: readonly ConfigIssue[];
}

type Report = (path: SettingPath, message: string) => void;

interface Check {
  readonly config: Config;
  readonly lookups: CheckLookups;
  readonly refuse: Report;
  readonly warn: Report;
}

export function checkConfig(config: Config, lookups: CheckLookups): CheckResult {
  const issues: ConfigIssue[] = [];
  const warnings: ConfigIssue[] = [];
  const check: Check = {
    config,
    lookups,
    refuse: (path, message) => issues.push(lookups.issueAt(path, message)),
    warn: (path, message) => warnings.push(lookups.issueAt(path, message)),
  };
  checkPrograms(check);
  checkInference(check);
  checkDeepStream(check);
  checkDoors(check);
  for (const [name, camera] of Object.entries(config.cameras)) checkCamera(check, camera, ['cameras', name]);
  checkPresence(check);
  checkModels(check);
  checkBroker(check);
  checkRules(check);
  return { issues: inFileOrder(issues), warnings: inFileOrder(warnings) };
}

function checkPrograms({ config, warn }: Check): void {
  if (Object.values(config.cameras).every((camera) => !camera.enabled))
    warn(['cameras'], 'there is no camera to watch; add one under cameras');
  if (Object.values(config.lists).every((list) => list.kind === 'ignore'))
    warn(['lists'], 'there is no watch list, so nobody can be enrolled to be alerted on; add one under lists');
}

/** What is refused of the doors, whatever is wrong elsewhere in the file: nobody should learn last that a stream is open to a network. */
export function doorRefusals(config: Pick<Config, 'http' | 'media'>): readonly { path: SettingPath; message: string }[] {
  const found: { path: SettingPath; message: string }[] = [];
  checkDoors({ config, refuse: (path, message) => found.push({ path, message }), warn: () => {} });
  return found;
}

/** Passwords and pictures must not cross a network in the clear without somebody having meant it. */
function checkDoors({
  config,
  refuse,
  warn,
}: Pick<Check, 'refuse' | 'warn'> & { config: Pick<Config, 'http' | 'media'> }): void {
  const { http, media } = config;
  if (http.enabled && !isLoopback(http.host) && http.tls === undefined && http.trustedProxy === undefined)
    warn(
      ['http', 'host'],
      `passwords and pictures cross the network of ${http.host} in the clear; set http.tls, or put a proxy with HTTPS before 127.0.0.1`,
    );
  const { rtsp, legacyView } = media;
  if (media.enabled && legacyView.enabled && !rtsp.enabled)
    refuse(['media', 'legacyView', 'enabled'], 'the legacy view reads our own RTSP streams; set media.rtsp.enabled to true');
  if (media.enabled && legacyView.enabled && !isLoopback(legacyView.host))
    warn(
      ['media', 'legacyView', 'host'],
      `passwords and pictures cross the network of ${legacyView.host} in the clear; put a proxy with HTTPS before 127.0.0.1`,
    );
  if (media.enabled && media.clips.enabled && media.clips.before > media.ring.duration)
    warn(['media', 'clips', 'before'], 'is longer than media.ring.duration keeps video: clips begin where the ring does');
  if (!media.enabled || !rtsp.enabled) return;
  if (rtsp.open && !isLoopback(rtsp.host))
    refuse(
      ['media', 'rtsp', 'open'],
      `streams without a password are for this machine alone; set media.rtsp.host to 127.0.0.1 instead of ${rtsp.host}, or open to false`,
    );
  if (!rtsp.open && !isLoopback(rtsp.host) && rtsp.tls === undefined)
    warn(['media', 'rtsp', 'host'], `video crosses the network of ${rtsp.host} in the clear; media.rtsp.tls serves RTSPS too`);
}

function checkCamera(check: Check, camera: CameraConfig, path: SettingPath): void {
  const { refuse } = check;
  checkSource(check, camera.source, [...path, 'source']);
  if (camera.detectSource !== undefined) checkSource(check, camera.detectSource, [...path, 'detectSource']);
  for (const [index, detect] of camera.detect.entries()) checkDetect(check, detect, [...path, 'detect', index]);
  checkFeeding(check, camera, path);
  if (camera.enabled) checkSight(check, camera, path);
  for (const [index, mask] of camera.masks.entries())
    if (area(mask) === 0) refuse([...path, 'masks', index], 'covers nothing: its corners lie on one line');
  if (coversPicture(camera.masks)) refuse([...path, 'masks'], 'leave nothing of the picture to look at');
  for (const [zone, polygon] of Object.entries(camera.zones))
    if (area(polygon) === 0) refuse([...path, 'zones', zone], 'covers nothing: its corners lie on one line');
}

/** Somebody known who stands still is looked at now and then only; a visit that ends sooner would end and begin again and again. */
function checkPresence({ config, refuse }: Check): void {
  const seconds = (ms: number) => `${ms / 1000} s`;
  for (const [name, { enabled, runtime, detect, motion, crops }] of Object.entries(config.cameras)) {
    const detectMs = 1000 / Math.max(...detect.map(({ fps }) => fps));
    // The motion gate is of software workers.
    const lookMs = motion.enabled && runtime === 'software' ? Math.max(motion.refresh, detectMs) : detectMs;
    const pauseMs = Math.ceil(crops.refresh + lookMs);
    if (!enabled || config.alerting.leaveAfter > pauseMs) continue;
    refuse(
      ['alerting', 'leaveAfter'],
      `${seconds(config.alerting.leaveAfter)} is too short for ${name}, which looks at somebody it knows every ${seconds(pauseMs)} in a still scene (crops.refresh and motion.refresh): an alert would end while they are in view`,
    );
  }
}

function checkSource({ refuse }: Check, source: string, path: SettingPath): void {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]?.toLowerCase();
  if (scheme !== undefined && !['rtsp', 'rtsps', 'http', 'https'].includes(scheme))
    refuse(path, `${scheme}:// cannot be read; expected rtsp://, rtsps://, http://, https://, a file path or gst:NAME`);
  else if (/^gst:(?![a-z0-9][a-z0-9_-]*$)/i.test(source))
    refuse(path, 'gst: is followed by the name of a file in pipelines/, as in gst:test-pattern');
}

function known(lookups: CheckLookups, name: string): string {
  const near = nearest(name, lookups.modelNames);
  if (near !== undefined) return `did you mean ${near}?`;
  return lookups.modelNames.length === 0
    ? 'the repository is empty; set inference.repository, or copy into it what docs/models.md names'
    : `known: ${lookups.modelNames.join(', ')}`;
}

/** `wants`: what needs the model, where its place in the file does not say so. */
function lacks(lookups: CheckLookups, name: string, wants?: string): string {
  return `the model repository has no ${name}${wants === undefined ? '' : `, ${wants}`}; ${known(lookups, name)}`;
}

const things: Readonly<Record<CropKind, string>> = { face: 'faces', appearance: 'bodies' };

function comparing({ cameras }: Config, kind: CropKind): string {
  return Object.keys(cameras)
    .filter((name) => cameras[name]?.recognise.includes(kind))
    .join(', ');
}

function checkDetect({ lookups, refuse }: Check, detect: DetectConfig, path: SettingPath): void {
  const facts = lookups.describeModel(detect.model);
  if (facts === undefined) {
    refuse([...path, 'model'], lacks(lookups, detect.model));
    return;
  }
  if (facts.kind !== 'detector') {
    refuse([...path, 'model'], `${detect.model} is an embedder (${facts.kind}) and detects nothing; expected a detector`);
    return;
  }
  for (const [index, name] of detect.classes.entries()) {
    if (facts.labels.includes(name)) continue;
    const near = nearest(name, facts.labels);
    const hint = near === undefined ? `it knows ${facts.labels.slice(0, 20).join(', ')}` : `did you mean ${near}?`;
    refuse([...path, 'classes', index], `${detect.model} has no class ${JSON.stringify(name)}; ${hint}`);
  }
}

/** Why a model cannot run yet. Triton has weights of its own. */
function missingWeights({ config, lookups }: Check, model: string): string | undefined {
  return config.inference.engine === 'triton' ? undefined : lookups.describeModel(model)?.missing;
}

function checkSight(check: Check, camera: CameraConfig, path: SettingPath): void {
  const { lookups, warn } = check;
  for (const [index, { model }] of camera.detect.entries()) {
    const missing = missingWeights(check, model);
    if (missing !== undefined) warn([...path, 'detect', index, 'model'], `finds nothing yet: ${missing}`);
  }
  // Without the source: an address whose scheme was forgotten may hold a password.
  if (lookups.hasFile?.(camera.source) === false)
    warn([...path, 'source'], 'there is no such file yet; the address of a camera begins with rtsp:// or http://');
}

/** What a camera's detector hands on to recognisers, after its `classes`. */
function yields(detect: DetectConfig, facts: ModelFacts): { readonly labels: readonly string[]; readonly landmarks: boolean } {
  const labels = detect.classes.length === 0 ? facts.labels : facts.labels.filter((label) => detect.classes.includes(label));
  return { labels, landmarks: facts.landmarks };
}

/** Silent where a model is unknown: that is an issue of its own. */
function checkFeeding({ lookups, refuse }: Check, camera: CameraConfig, path: SettingPath): void {
  const found = camera.detect.map((detect) => ({ detect, facts: lookups.describeModel(detect.model) }));
  if (found.some(({ facts }) => facts === undefined)) return;
  const fed = found.flatMap(({ detect, facts }) => (facts?.kind === 'detector' ? [yields(detect, facts)] : []));
  const models = camera.detect.map(({ model }) => model).join(', ');
  for (const [index, kind] of camera.recognise.entries()) {
    if (kind === 'face' && !fed.some(({ landmarks }) => landmarks)) {
      refuse(
        [...path, 'recognise', index],
        `no detector feeds face: it needs one that finds faces with five points, such as centerface or yunet; this camera has ${models}`,
      );
    }
    if (kind === 'appearance' && !fed.some(({ labels }) => labels.includes('person'))) {
      refuse(
        [...path, 'recognise', index],
        `no detector feeds appearance: it needs one that finds person, such as yolox_nano; this camera has ${models}`,
      );
    }
  }
}

function checkModels(check: Check): void {
  const { config, lookups, refuse, warn } = check;
  const used = new Set(Object.values(config.cameras).flatMap((camera) => camera.recognise));
  for (const kind of matchKinds) {
    const { open, keep } = config.models.thresholds[kind];
    if (open !== undefined && keep !== undefined && keep > open)
      refuse(
        ['models', 'thresholds', kind, 'keep'],
        `${keep} is above open (${open}): an episode would be harder to keep than to open`,
      );
    if (kind === 'description' || !used.has(kind)) continue;
    const model = config.models[kind];
    const facts = lookups.describeModel(model);
    if (facts === undefined)
      refuse(['models', kind], lacks(lookups, model, `which compares ${things[kind]} on ${comparing(config, kind)}`));
    else if (facts.kind !== kind)
      refuse(['models', kind], `${model} is of kind ${facts.kind}; expected an embedder of kind ${kind}`);
    const missing = missingWeights(check, model);
    if (facts?.kind === kind && missing !== undefined) warn(['models', kind], `nobody is recognised yet: ${missing}`);
  }
  checkEnrolment(check, used);
  checkDescriptions(check);
}

/** Detectors for photos are needed for the kinds that some camera compares. */
function checkEnrolment(check: Check, used: ReadonlySet<CropKind>): void {
  const { config, lookups, refuse, warn } = check;
  const detectors = [
    { kind: 'face', key: 'enrolment', does: 'gives no five points; expected a face detector such as centerface or yunet' },
    { kind: 'appearance', key: 'enrolmentBody', does: 'does not find person; expected a detector such as yolox_nano' },
  ] as const;
  for (const { kind, key, does } of detectors) {
    if (!used.has(kind)) continue;
    const model = config.models[key];
    const facts = lookups.describeModel(model);
    const suits = kind === 'face' ? facts?.landmarks : facts?.labels.includes('person');
    if (facts === undefined) refuse(['models', key], lacks(lookups, model, `which finds ${things[kind]} on photos to enrol`));
    else if (suits !== true) refuse(['models', key], `${model} ${does}`);
    const missing = missingWeights(check, model);
    if (suits === true && missing !== undefined) warn(['models', key], `nobody can be enrolled yet: ${missing}`);
  }
}

/** Whether entries described in words can be compared with anything. */
function checkDescriptions(check: Check): void {
  const { config, lookups, refuse, warn } = check;
  if (!config.watchlist.text) return;
  const { appearance, text } = config.models;
  const pictures = lookups.describeModel(appearance);
  const words = lookups.describeModel(text);
  if (words === undefined) refuse(['models', 'text'], lacks(lookups, text, 'which watchlist.text needs'));
  else if (words.kind !== 'text')
    refuse(
      ['models', 'text'],
      `${text} is of kind ${words.kind}; watchlist.text needs an embedder of texts, such as clip_text`,
    );
  const missing = missingWeights(check, text);
  if (words?.kind === 'text' && missing !== undefined) warn(['models', 'text'], `nobody can be described yet: ${missing}`);
  const compares = Object.values(config.cameras).some(({ recognise }) => recognise.includes('appearance'));
  if (!compares)
    warn(
      ['watchlist', 'text'],
      'no camera compares bodies, so no description is ever matched; add appearance to cameras.*.recognise',
    );
  if (pictures === undefined) {
    // Where a camera compares bodies this is said already.
    if (!compares) refuse(['models', 'appearance'], lacks(lookups, appearance, 'which watchlist.text needs'));
    return;
  }
  if (words?.kind !== 'text' || pictures.space === undefined || pictures.space === words.space) return;
  refuse(
    ['models', 'appearance'],
    `${appearance} gives vectors of ${pictures.space}, ${text} those of ${words.space}, and these cannot be compared; for watchlist.text set an embedder of the same space, such as clip_visual for clip_text, or set watchlist.text to false`,
  );
}

function checkBroker({ config: { mqtt, http }, lookups, refuse, warn }: Check): void {
  if (mqtt.snapshot === 'reference' && !http.enabled)
    refuse(['mqtt', 'snapshot'], 'reference names a path at the HTTP server, but http.enabled is false; use inline or off');
  if (mqtt.certFile !== undefined && mqtt.keyFile === undefined) refuse(['mqtt', 'certFile'], 'needs mqtt.keyFile');
  if (mqtt.keyFile !== undefined && mqtt.certFile === undefined) refuse(['mqtt', 'keyFile'], 'needs mqtt.certFile');
  if (mqtt.protocol === '3.1.1' && mqtt.password !== undefined && mqtt.username === undefined)
    refuse(['mqtt', 'username'], 'is missing; MQTT 3.1.1 takes a password only together with a username');
  // Read again for every connection: they may come later.
  const troubles = mqtt.enabled ? (lookups.brokerFiles ?? []) : [];
  for (const { setting, says } of troubles) warn(['mqtt', setting], `no alert can be sent: ${says}`);
}

function checkRules(check: Check): void {
  const first = new Map<string, number>();
  for (const [index, rule] of check.config.alerts.entries()) {
    const path = ['alerts', index];
    const earlier = first.get(rule.name);
    if (earlier === undefined) first.set(rule.name, index);
    else check.refuse([...path, 'name'], `${JSON.stringify(rule.name)} is the name of alerts[${earlier}] already`);
    checkSubject(check, rule, [...path, 'when']);
    checkPlace(check, rule, [...path, 'when']);
    checkSchedule(check, rule, [...path, 'when', 'schedule']);
  }
}

function refuseUnknown(
  check: Check,
  path: SettingPath,
  what: string,
  names: readonly string[],
  candidates: readonly string[],
): void {
  for (const [index, name] of names.entries()) {
    if (candidates.includes(name)) continue;
    const near = nearest(name, candidates);
    const hint = candidates.length === 0 ? 'there is none' : `known: ${candidates.join(', ')}`;
    check.refuse([...path, index], `there is no ${what} ${name}; ${near === undefined ? hint : `did you mean ${near}?`}`);
  }
}

/** Whom a rule is about: it must be possible that somebody matches it. */
function checkSubject(check: Check, { when }: RuleConfig, path: SettingPath): void {
  const { config, refuse } = check;
  const cameras = when.cameras.length === 0 ? Object.keys(config.cameras) : when.cameras;
  const recognised = new Set(cameras.flatMap((name) => config.cameras[name]?.recognise ?? []));
  refuseUnknown(check, [...path, 'lists'], 'list', when.lists, Object.keys(config.lists));
  if (when.unknown !== undefined) {
    for (const other of ['lists', 'entries'] as const)
      if (when[other].length > 0)
        refuse([...path, other], 'cannot stand beside unknown: a rule is about entries or about unknown faces');
    if (when.minScore !== undefined) refuse([...path, 'minScore'], 'cannot stand beside unknown: an unknown face has no score');
    for (const kind of when.kinds)
      if (kind !== 'face') refuse([...path, 'kinds'], `cannot hold ${kind} beside unknown: only faces can be unknown`);
    if (cameras.length > 0 && !recognised.has('face')) refuse([...path, 'unknown'], 'needs a camera that recognises face');
    return;
  }
  const named = when.lists.flatMap((name) => config.lists[name] ?? []);
  if (when.entries.length === 0 && named.length > 0 && named.every((list) => list.kind === 'ignore'))
    refuse([...path, 'lists'], 'holds ignore lists only, which never alert; name a watch list');
  if (cameras.length === 0) return;
  for (const [index, kind] of when.kinds.entries())
    if (kind === 'description' && !config.watchlist.text)
      refuse([...path, 'kinds', index], 'nothing is compared with descriptions; set watchlist.text to true');
    else if (!recognised.has(kind === 'description' ? 'appearance' : kind))
      refuse([...path, 'kinds', index], `no camera of this rule recognises ${kind}`);
}

function checkPlace(check: Check, { when }: RuleConfig, path: SettingPath): void {
  const { config, refuse } = check;
  const all = Object.keys(config.cameras);
  refuseUnknown(check, [...path, 'cameras'], 'camera', when.cameras, all);
  const cameras = when.cameras.length === 0 ? all : when.cameras;
  const zonesOf = (names: readonly string[]) => names.flatMap((name) => Object.keys(config.cameras[name]?.zones ?? {}));
  const here = zonesOf(cameras);
  for (const [index, zone] of when.zones.entries()) {
    if (here.includes(zone)) continue;
    const elsewhere = all.filter((name) => zonesOf([name]).includes(zone));
    const near = nearest(zone, here);
    const hint = near === undefined ? `known: ${here.join(', ') || 'none'}` : `did you mean ${near}?`;
    refuse(
      [...path, 'zones', index],
      elsewhere.length > 0
        ? `${zone} is a zone of ${elsewhere.join(', ')}, which this rule does not name`
        : `there is no zone ${zone} on ${cameras.join(', ') || 'any camera'}; ${hint}`,
    );
  }
  if (when.dwell > 0 && when.zones.length === 0) refuse([...path, 'dwell'], 'needs zones: it is the time spent inside one');
}

function isTimeZone(name: string): boolean {
  if (/^[+-]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function checkSchedule({ refuse }: Check, { when }: RuleConfig, path: SettingPath): void {
  for (const [index, { from, to, timeZone }] of when.schedule.entries()) {
    if (!isTimeZone(timeZone)) {
      const near = nearest(timeZone, Intl.supportedValuesOf('timeZone'));
      const hint = near === undefined ? 'expected an IANA name such as Europe/Berlin' : `did you mean ${near}?`;
      refuse([...path, index, 'timeZone'], `${JSON.stringify(timeZone)} is not a time zone; ${hint}`);
    }
    if (from === to)
      refuse([...path, index, 'to'], `equals from (${from}): the window is empty; the whole day is 00:00 to 24:00`);
    if (from === '24:00') refuse([...path, index, 'from'], 'a window cannot begin at 24:00; expected 00:00 to 23:59');
  }
}

type Polygon = readonly (readonly [number, number])[];

/** Shoelace formula. */
function area(polygon: Polygon): number {
  const twice = polygon.reduce((sum, [x, y], index) => {
    const [nextX, nextY] = polygon[(index + 1) % polygon.length] ?? [x, y];
    return sum + x * nextY - nextX * y;
  }, 0);
  return Math.abs(twice) < 1e-9 ? 0 : Math.abs(twice) / 2;
}

/** Even-odd rule. */
function inside(polygon: Polygon, x: number, y: number): boolean {
  let within = false;
  for (const [index, [ax, ay]] of polygon.entries()) {
    const [bx, by] = polygon[(index + 1) % polygon.length] ?? [ax, ay];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

/** By a grid of 64 x 64 points: what is left between them is too little to see anything in. */
function coversPicture(masks: readonly Polygon[]): boolean {
  if (masks.length === 0) return false;
  for (let row = 0; row < 64; row++)
    for (let column = 0; column < 64; column++)
      if (!masks.some((mask) => inside(mask, (column + 0.5) / 64, (row + 0.5) / 64))) return false;
  return true;
}

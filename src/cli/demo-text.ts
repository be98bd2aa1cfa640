import type { DemoAlert, DemoEvent, DemoFacts, DemoSilence } from '../core/demo.ts';
import { oneLine } from './printable.ts';
import { count, table, timeOfDay } from './text.ts';

/** The demo in words: plain lines for programs and logs, laid out with colours for a person at a terminal. Pure. */

export interface PlainLines {
  /** Results: one line for each alert, nothing else. */
  readonly out: readonly string[];
  readonly say: readonly string[];
}

export function plainLines(event: DemoEvent, timeZone: string): PlainLines {
  switch (event.kind) {
    case 'alert':
      return { out: [plainAlert(event.alert, timeZone)], say: [] };
    case 'ready':
      return { out: [], say: ['the demo runs', ...table(factRows(event.facts)).map((line) => `  ${line}`)] };
    case 'toured':
      return { out: [], say: ['what to try next', ...table(nextSteps(event.facts)).map((line) => `  ${line}`)] };
    case 'silence':
      return { out: [], say: [silenceText(event.silence)] };
    case 'warning':
      return { out: [], say: [`warning: ${event.text}`] };
    case 'note':
      return { out: [], say: [event.text] };
    case 'stopping':
      return { out: [], say: ['stopping'] };
    case 'stopped':
      return { out: [], say: [stoppedText(event)] };
  }
}

function plainAlert(alert: DemoAlert, timeZone: string): string {
  const fields: readonly (readonly [string, string])[] = [
    ['time', timeOfDay(alert.at, timeZone)],
    ['name', alert.name],
    ['camera', alert.camera],
    ['similarity', alert.similarity.toFixed(2)],
    ['needs', alert.threshold.toFixed(2)],
    ['told_after_s', seconds(alert.sinceSeenMs)],
    ['list', alert.list],
    ['id', alert.id],
    ...(alert.late ? [['late', 'yes'] as const] : []),
    ...(alert.picture === undefined ? [] : [['picture', alert.picture] as const]),
  ];
  // One line, whatever a name holds.
  return `alert ${fields.map(([key, value]) => `${key}=${/^[^\s"=\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value)}`).join(' ')}`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

function names(list: readonly string[]): string {
  return list.length === 0 ? 'nobody' : list.join(', ');
}

function indexText({ kind, reason }: DemoFacts['index']): string {
  const name = kind === 'scan' ? 'a plain scan, exact but slower than FAISS' : kind;
  return reason === undefined ? name : `${name}: ${reason}`;
}

function engineText(engine: string): string {
  return engine === 'embedded' ? 'embedded: ONNX Runtime in the program itself' : engine;
}

/** What runs where: label and value. */
export function factRows(facts: DemoFacts): string[][] {
  const { broker, cameras } = facts;
  const program = quoted(facts.program);
  return [
    ['listed', names(facts.listed)],
    ...(facts.ignored.length === 0 ? [] : [['ignored', names(facts.ignored)]]),
    ['detector', facts.detector],
    ['embedder', `${facts.embedder}, similarity needed ${facts.threshold.toFixed(2)}`],
    ['engine', engineText(facts.engine)],
    ['vector index', indexText(facts.index)],
    ['broker', `${broker.url} (${broker.own ? 'yours' : 'embedded, loopback only'}), topics ${facts.baseTopic}/#`],
    ...cameras.map((url, index) => [index === 0 ? count(cameras.length, 'camera') : '', url]),
    ...(facts.stream === undefined
      ? []
      : [['RTSP', `${facts.stream} and ${facts.stream}/annotated: of Sightline, for players`]]),
    ...(facts.health === undefined ? [] : [['health', `${facts.health}/readyz, ${facts.health}/metrics`]]),
    ['log', facts.log],
    ...(facts.configFile === undefined
      ? []
      : [['kept', `${facts.directory}; afterwards ${runCommand(facts.program, facts.configFile, facts.passwordIn)}`]]),
    ...(facts.viewer === undefined
      ? []
      : [['viewer', `${facts.viewer.url}, user ${facts.viewer.user}, password ${facts.viewer.password}`]]),
    ['look in', `ffplay -rtsp_transport tcp ${facts.stream === undefined ? (cameras[0] ?? '') : `${facts.stream}/annotated`}`],
    ['', `mosquitto_sub -h ${broker.host} -p ${broker.port} -t '${facts.baseTopic}/v1/alerts/+'`],
    ['', `${program} status --data ${quoted(facts.dataDir)}`],
  ];
}

/** What to try: what it does, and the command. */
export function nextSteps(facts: DemoFacts): string[][] {
  const taken = new Set([...facts.listed, ...facts.ignored]);
  const free = listable(facts.cast).filter(({ name }) => !taken.has(name));
  const other = free.find(({ role }) => role === 'other') ?? free[0];
  const program = quoted(facts.program);
  const data = `--data ${quoted(facts.dataDir)}`;
  return [
    ...(other === undefined ? [] : [['list somebody else', `${program} demo --watch ${quoted(other.name)}`]]),
    ['why nobody was told', `${program} why --camera lobby --at ${'$(date +%T)'} ${data}`],
    ['all alerts', `${program} alerts list ${data}`],
    [
      'your own camera',
      `${program} models fetch --set face; ${program} camera probe rtsp://...; README.md, "With your own camera"`,
    ],
  ];
}

/** Whose photos there are. */
function listable(cast: DemoFacts['cast']): DemoFacts['cast'] {
  return cast.filter(({ role }) => role !== 'hidden');
}

function runCommand(program: string, configFile: string, passwordIn: string | undefined): string {
  const command = `${quoted(program)} run ${quoted(configFile)}`;
  return passwordIn === undefined ? command : `${passwordIn}=... ${command}`;
}

/** For a shell. */
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function silenceText(silence: DemoSilence): string {
  switch (silence.why) {
    case 'unlike':
      return `not told: somebody who looks like ${silence.nearest} on ${silence.camera}, best similarity ${silence.similarity.toFixed(2)}, needs ${silence.threshold.toFixed(2)}`;
    case 'ignored':
      return `not told: ${silence.nearest} on ${silence.camera} is on the ignore list ${silence.list}`;
  }
}

function stoppedText(event: Extract<DemoEvent, { kind: 'stopped' }>): string {
  const { alerts, waiting, kept, configFile, left, program, passwordIn } = event;
  const told = [
    count(alerts, 'alert'),
    ...(waiting === undefined ? [] : [`${count(waiting.messages, 'message')} waited for the broker ${waiting.broker}`]),
  ].join(', ');
  const rest =
    kept === undefined
      ? 'nothing is left behind'
      : [
          `kept in ${kept}`,
          ...(configFile === undefined ? [] : [`${runCommand(program, configFile, passwordIn)} goes on with it`]),
        ].join(': ');
  return `${told}; ${left === undefined ? rest : `${left} could not be removed`}`;
}

export interface Screen {
  readonly timeZone: string;
  readonly columns: number;
  readonly colours: boolean;
}

type Paint = (style: keyof typeof styles, text: string) => string;

/** SGR parameters (ECMA-48) of the colours that every terminal has. */
const styles = { bold: '1', dim: '2', red: '31;1', green: '32', yellow: '33', cyan: '36' } as const;

/** Names and reasons come from elsewhere: nothing in them may steer the terminal. */
function painter(colours: boolean): Paint {
  return (style, text) => (colours ? `\u001b[${styles[style]}m${oneLine(text)}\u001b[0m` : oneLine(text));
}

/** Lines for a terminal; escape sequences among them are ours alone. */
export function colouredLines(event: DemoEvent, screen: Screen): readonly string[] {
  const paint = painter(screen.colours);
  switch (event.kind) {
    case 'alert':
      return alertCard(event.alert, screen, paint);
    case 'ready':
      return welcome(event.facts, paint);
    case 'toured':
      return ['', paint('bold', '  What to try next'), '', ...rows(nextSteps(event.facts), paint), ''];
    case 'silence':
      return [paint('dim', `    ${silenceText(event.silence)}`)];
    case 'warning':
      return [`  ${paint('yellow', `! ${event.text}`)}`];
    case 'note':
      return [paint('dim', `  ${event.text}`)];
    case 'stopping':
      return ['', paint('dim', '  stopping ...')];
    case 'stopped':
      return [`  ${oneLine(stoppedText(event))}`];
  }
}

function welcome(facts: DemoFacts, paint: Paint): readonly string[] {
  const cast = facts.cast.filter(({ sentence }) => sentence !== '').map(({ name, sentence }) => [name, sentence]);
  return [
    '',
    paint('bold', '  Sightline demo: drawn characters, real parts'),
    '',
    ...rows(factRows(facts), paint),
    '',
    ...(cast.length === 0 ? [] : [paint('bold', '  Who walks through the lobby'), '', ...rows(cast, paint), '']),
    hint(facts, paint),
    '',
  ];
}

function hint(facts: DemoFacts, paint: Paint): string {
  const others = listable(facts.cast)
    .map(({ name }) => name)
    .filter((name) => !facts.listed.includes(name));
  const more = others.length === 0 ? '' : ` Type a name and Enter to list somebody else: ${others.join(', ')}`;
  return paint('dim', `  Ctrl-C ends it.${more}`);
}

function rows(pairs: readonly (readonly string[])[], paint: Paint): readonly string[] {
  const width = Math.max(...pairs.map(([label = '']) => label.length));
  return pairs.map(([label = '', value = '']) => `  ${paint('cyan', label.padEnd(width))}  ${oneLine(value)}`);
}

const nameWidth = 10;
const widestBar = 24;
/** Everything in the line but the bar. */
const besideBar = 62;

/** One line: time, name, camera, similarity as bar and number; a second one for the times and the picture. */
function alertCard(alert: DemoAlert, screen: Screen, paint: Paint): readonly string[] {
  const width = Math.max(0, Math.min(widestBar, screen.columns - besideBar));
  const full = Math.round(Math.max(0, Math.min(1, alert.similarity)) * width);
  const mark = Math.round(alert.threshold * width);
  const cells = Array.from({ length: width }, (_, index) => (index < full ? '█' : index === mark ? '┊' : '░')).join('');
  const late = alert.late ? `  ${paint('yellow', 'late')}` : '';
  return [
    `  ${paint('dim', timeOfDay(alert.at, screen.timeZone))}  ${paint('red', '●')} ${paint('bold', alert.name.padEnd(nameWidth))} ${oneLine(alert.camera.padEnd(8))}  ${paint('green', cells)} ${alert.similarity.toFixed(2)} ${paint('dim', 'similarity, not identity')}${late}`,
    paint(
      'dim',
      `              told ${seconds(alert.sinceSeenMs)} s after first seen, ${seconds(alert.sinceFrameMs)} s after the deciding frame; needs ${alert.threshold.toFixed(2)}`,
    ),
    ...(alert.picture === undefined ? [] : [paint('dim', `              ${alert.picture}`)]),
  ];
}

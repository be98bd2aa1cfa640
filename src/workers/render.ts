import { mostContainerCameras, mostContainerDetectors } from '../core/detectors.ts';
import { SightlineError } from '../core/errors.ts';
import { socketNames } from '../core/run-folder.ts';
import { type TritonUrl, tritonAuthority } from '../core/triton-url.ts';
import { containerPaths, settingsName } from './container-spec.ts';

/**
 * The files that a DeepStream container is started with (docs/decisions/deepstream-container.md), from plain data: equal input gives
 * equal files. No secret is among the input, so that none can be in them; every text of it is checked before it is written.
 */
export interface ContainerInput {
  readonly worker: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Whether there is a media door. */
  readonly media: boolean;
  /** As the container counts them. */
  readonly gpu: number;
  /** All frames are scaled to this before anything looks at them. */
  readonly frame: { readonly width: number; readonly height: number };
  readonly detectors: readonly ContainerDetector[];
  readonly tracker: TrackerPreset;
  readonly encoder: {
    readonly kind: 'auto' | 'hardware' | 'software' | 'none';
    readonly bitrateKbps: number;
  };
  readonly triton: TritonUrl;
  /** Tensors go to Triton by CUDA handle: it is on the same machine and GPU. */
  readonly cudaBufferSharing: boolean;
  readonly startMs: number;
  /** The first has source id 0. */
  readonly cameras: readonly string[];
}

export const trackerPresets = ['iou', 'nvsort', 'nvdcf'] as const;
export type TrackerPreset = (typeof trackerPresets)[number];

/** What `planDetector` of `models/` says, and what the cameras ask for. */
export interface ContainerDetector {
  readonly model: string;
  readonly kind: DetectorKind;
  readonly labels: readonly string[];
  /** The lowest that any camera asks for. */
  readonly minScore: number;
  /** Absent where the network suppresses inside. */
  readonly suppression?: { readonly iou: number; readonly limit: number };
  readonly maxBatchSize: number;
  readonly input: { readonly name: string; readonly dims: readonly number[] };
  readonly outputs: readonly string[];
  readonly fit: 'stretch' | 'letterbox' | 'letterbox_top_left';
  readonly colour: 'rgb' | 'bgr';
  readonly layout: 'nchw' | 'nhwc';
  readonly scale: number;
  readonly offsets: readonly [number, number, number];
  /** The highest that any camera asks for. */
  readonly fps: number;
}

type DetectorKind = 'centerface' | 'yolo_end2end' | 'yolov7' | 'yolov8';

/** The functions of `libbridge_infer.so` that read a kind, one for each detector of a container, and how the program calls the kind. */
const parsers: Readonly<Record<DetectorKind, { readonly parser: string; readonly kind: string }>> = {
  centerface: { parser: 'SightlineParseCenterFace', kind: 'centerface' },
  yolo_end2end: { parser: 'SightlineParseYoloEnd2end', kind: 'yolo-end2end' },
  yolov7: { parser: 'SightlineParseYolov7', kind: 'yolo-raw' },
  yolov8: { parser: 'SightlineParseYolov8', kind: 'yolo-raw' },
};

/** Texts of `deepstream/config/`. */
export interface ContainerTemplates {
  /** With `{{name}}` where a value belongs. */
  readonly infer: string;
  readonly trackers: Readonly<Record<TrackerPreset, string>>;
}

const { settings: folder, run: sockets } = containerPaths;
/** Of a class number that is another detector's. */
const noLabel = '-';
export const parserLibrary = '/opt/sightline/lib/libbridge_infer.so';
export const trackerLibrary = '/opt/nvidia/deepstream/deepstream/lib/libnvds_nvmultiobjecttracker.so';

/** By name of the file. Throws `config.invalid` for a value that could not stand where it belongs, naming it and what is allowed. */
export function renderContainer(input: ContainerInput, templates: ContainerTemplates): ReadonlyMap<string, string> {
  checkContainer(input);
  for (const detector of input.detectors) checkDetector(detector);
  const detectors = ofDifferentClasses(input.detectors);
  const json = JSON.stringify(containerJson({ ...input, detectors }), undefined, 2);
  const files = new Map<string, string>([[settingsName, `${json}\n`]]);
  for (const [index, detector] of detectors.entries()) {
    files.set(inferFile(detector.model), fill(templates.infer, inferValues(input, detector, index + 1)));
    files.set(labelFile(detector.model), `${detector.labels.join('\n')}\n`);
  }
  files.set('tracker.yml', templates.trackers[input.tracker]);
  return files;
}

/**
 * nvtracker knows objects of several detectors by the class's number alone, and would take a face for the person around it: faces get a
 * number behind the classes of all others. Their parser gives each the last class.
 */
function ofDifferentClasses(detectors: readonly ContainerDetector[]): readonly ContainerDetector[] {
  let taken = Math.max(0, ...detectors.map(({ kind, labels }) => (kind === 'centerface' ? 0 : labels.length)));
  return detectors.map((detector) => {
    if (detector.kind !== 'centerface') return detector;
    const labels = [...Array<string>(taken).fill(noLabel), ...detector.labels.slice(0, 1)];
    taken = labels.length;
    return { ...detector, labels };
  });
}

function containerJson(input: ContainerInput): unknown {
  const { worker, logLevel, gpu, frame, encoder, startMs } = input;
  return {
    version: 1,
    worker,
    bridge: `${sockets}/${socketNames.bridge}`,
    ...(input.media ? { media: `${sockets}/${socketNames.media}` } : {}),
    tokenFile: `${folder}/token`,
    logLevel,
    gpu,
    mux: { width: frame.width, height: frame.height, batchedPushTimeoutUs: 40_000, bufferPoolSize: 8 },
    detectors: input.detectors.map(({ model, kind, labels, fps }, index) => ({
      model,
      config: `${folder}/${inferFile(model)}`,
      uniqueId: index + 1,
      kind: parsers[kind].kind,
      labels,
      fps,
    })),
    tracker: { library: trackerLibrary, config: `${folder}/tracker.yml`, width: 960, height: 544 },
    encoder: { kind: encoder.kind, bitrateKbps: encoder.bitrateKbps },
    limits: { startMs, batchMs: 10_000, stopMs: 5000, aloneMs: 600_000, waitingMiB: 32 },
    cameras: input.cameras.map((camera, sourceId) => ({ camera, sourceId })),
  };
}

function inferFile(model: string): string {
  return `infer-${model}.txt`;
}

function labelFile(model: string): string {
  return `labels-${model}.txt`;
}

function inferValues(input: ContainerInput, detector: ContainerDetector, uniqueId: number): Readonly<Record<string, string>> {
  const { triton, cameras } = input;
  const { model, kind, labels, fit, suppression } = detector;
  const score = decimal(detector.minScore);
  return {
    uniqueId: decimal(uniqueId),
    gpu: decimal(input.gpu),
    maxBatchSize: decimal(Math.max(1, Math.min(cameras.length, detector.maxBatchSize))),
    inputName: quoted(detector.input.name),
    inputDims: detector.input.dims.map(decimal).join(', '),
    outputs: detector.outputs.map((name) => `{ name: ${quoted(name)} }`).join(', '),
    model: quoted(model),
    url: quoted(tritonAuthority(triton)),
    cudaBufferSharing: String(input.cudaBufferSharing),
    networkFormat: detector.colour === 'rgb' ? 'IMAGE_FORMAT_RGB' : 'IMAGE_FORMAT_BGR',
    tensorOrder: detector.layout === 'nchw' ? 'TENSOR_ORDER_LINEAR' : 'TENSOR_ORDER_NHWC',
    maintainAspectRatio: fit === 'stretch' ? '0' : '1',
    symmetricPadding: fit === 'letterbox' ? '1' : '0',
    scaleFactor: decimal(detector.scale),
    channelOffsets: detector.offsets.map(decimal).join(', '),
    labelFile: quoted(`${folder}/${labelFile(model)}`),
    classes: decimal(labels.length),
    parser: quoted(`${parsers[kind].parser}_${decimal(uniqueId)}`),
    clustering:
      suppression === undefined
        ? `simple_cluster { threshold: ${score} }`
        : `nms { confidence_threshold: ${score} iou_threshold: ${decimal(suppression.iou)} topk: ${decimal(suppression.limit)} }`,
    library: quoted(parserLibrary),
    tensorMeta: String(kind === 'centerface'),
  };
}

/** A template without a value, or a value without a place, is a mistake of ours. */
function fill(template: string, values: Readonly<Record<string, string>>): string {
  const used = new Set<string>();
  const text = template.replace(/\{\{(\w+)\}\}/g, (_all, name: string) => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`deepstream/config/infer.txt wants a value ${name}`);
    used.add(name);
    return value;
  });
  const left = Object.keys(values).filter((name) => !used.has(name));
  if (left.length > 0) throw new TypeError(`deepstream/config/infer.txt has no place for ${left.join(', ')}`);
  return text;
}

/** As protobuf's text format writes a string; `checkDetector` has refused what cannot be quoted. */
function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** What a 32-bit float keeps. */
function decimal(value: number): string {
  return String(Number(value.toPrecision(9)));
}

const name = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const host = /^(?:[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$/;
const printable = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+$/u;
/** Of the object's label on the card, with its end. */
const longestLabel = 127;

function checkContainer(input: ContainerInput): void {
  const { worker, gpu, frame, encoder, triton, cameras, detectors, startMs } = input;
  matches('worker', worker, name, 'a name of letters, digits, _, . and -');
  whole('gpu', gpu, 0, 63);
  for (const side of ['width', 'height'] as const) whole(`frame ${side}`, frame[side], 64, 8192);
  whole('encoder bitrateKbps', encoder.bitrateKbps, 100, 100_000);
  whole('startMs', startMs, 1000, 86_400_000);
  matches('Triton host', triton.host, host, 'a name or an address');
  whole('Triton port', triton.port, 1, 65_535);
  if (triton.tls) throw refused('Triton', `grpcs://${triton.host}`, 'grpc://: DeepStream has no TLS towards Triton');
  listed('cameras', cameras, mostContainerCameras);
  for (const camera of cameras) matches('camera', camera, name, 'a name of letters, digits, _, . and -');
  listed(
    'detectors',
    detectors.map(({ model }) => model),
    mostContainerDetectors,
  );
}

function checkDetector({ model, labels, input, outputs, suppression, ...detector }: ContainerDetector): void {
  matches('model', model, name, 'a name of letters, digits, _, . and -');
  const of = (what: string) => `${what} of ${model}`;
  for (const tensor of [input.name, ...outputs]) matches(of('tensor'), tensor, printable, 'printable characters');
  if (outputs.length === 0) throw refused(of('outputs'), 'empty', 'one or more');
  if (input.dims.length === 0) throw refused(of('dims'), 'empty', 'three or four sizes');
  for (const size of input.dims) whole(of('dim'), size, 1, 8192);
  if (labels.length === 0) throw refused(of('labels'), 'empty', 'one or more');
  for (const label of labels) {
    matches(of('label'), label, printable, 'printable characters');
    // nvinferserver reads what is behind it as the label of another layer, and skips empty lines.
    if (label.includes(';') || label.trim() === '') throw refused(of('label'), label, 'words without ;');
    if (Buffer.byteLength(label) > longestLabel) throw refused(of('label'), label, `at most ${longestLabel} bytes`);
  }
  between(of('minScore'), detector.minScore, 0, 1);
  between(of('fps'), detector.fps, 0.01, 240);
  whole(of('maxBatchSize'), detector.maxBatchSize, 0, 65_536);
  // Zero would make every tensor zero, and the element refuses it.
  between(of('scale'), detector.scale, 1e-9, 1e9);
  for (const offset of detector.offsets) between(of('offset'), offset, -1e6, 1e6);
  if (suppression === undefined) return;
  between(of('iou'), suppression.iou, 0, 1);
  whole(of('limit'), suppression.limit, 1, 100_000);
}

function listed(what: string, values: readonly string[], most: number): void {
  if (values.length < 1 || values.length > most) throw refused(what, String(values.length), `1 to ${most}`);
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) throw refused(what, twice, 'each once');
}

function matches(what: string, value: string, form: RegExp, allowed: string): void {
  if (!form.test(value)) throw refused(what, value, allowed);
}

function whole(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value)) throw refused(what, String(value), `a whole number from ${min} to ${max}`);
  between(what, value, min, max);
}

function between(what: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max)) throw refused(what, String(value), `${min} to ${max}`);
}

function refused(what: string, value: string, allowed: string): SightlineError {
  return new SightlineError('config.invalid', `${what} is ${JSON.stringify(value)}; allowed is ${allowed}`, {
    details: { what, value, allowed },
  });
}

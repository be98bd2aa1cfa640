import { SightlineError } from '../core/errors.ts';
import type { ModelDescription, TensorContract } from '../core/inference.ts';
import { type HardwarePlan, quoted } from './render-plan.ts';

/**
 * Ensembles round rendered models: what goes before and behind a network runs on the server too. Pure. Rules:
 * https://github.com/triton-inference-server/server/blob/main/docs/user_guide/ensemble_models.md
 */

/** A file of the repository that is written: a text, or one of the scripts beside `render.ts`. */
export interface EnsembleFile {
  readonly path: string;
  readonly content: { readonly text: string } | { readonly script: string };
}

export const ensembleNames = ['embed_image', 'embed_image_decode', 'detect_embed', 'detect_embed_scale', 'detect_embed_align'];

/** One encoded picture in, the output of an embedder out. Throws `model.invalid` for an embedder that sees something else. */
export function embedImageFiles(embedder: ModelDescription, plan: HardwarePlan, decoder: 'python' | 'dali'): EnsembleFile[] {
  const kind = embedder.parameters['kind'];
  if (kind === 'face_embedder')
    throw refused(embedder, 'it wants faces that are aligned: --detect-embed finds and aligns them');
  if (kind !== 'person_embedder' && kind !== 'clip_visual')
    throw refused(embedder, 'embed_image needs a model of kind person_embedder or clip_visual');
  const { input, output } = pictureTensors(embedder);
  const decode = {
    name: 'embed_image_decode',
    maxBatchSize: embedder.maxBatchSize,
    inputs: [encoded],
    outputs: [{ name: 'input', datatype: 'FP32' as const, dims: input.dims }],
  };
  const step = { model: decode.name, inputs: { image: 'image' }, outputs: { input: 'input' } };
  const network = { model: embedder.name, inputs: { [input.name]: 'input' }, outputs: { [output.name]: 'embedding' } };
  const ensemble = {
    name: 'embed_image',
    maxBatchSize: embedder.maxBatchSize,
    inputs: [encoded],
    outputs: [{ ...output, name: 'embedding' }],
    parameters: spaceOf(embedder),
  };
  return [
    ...(decoder === 'python'
      ? pythonModel({ ...decode, parameters: pictureParameters(embedder, input) }, 'decode.py', plan)
      : daliModel(decode, embedder, input)),
    ...ensembleModel(ensemble, [step, network]),
  ];
}

/** A frame in, its faces and their embeddings out. Throws `model.invalid` for models of other kinds. */
export function detectEmbedFiles(detector: ModelDescription, embedder: ModelDescription, plan: HardwarePlan): EnsembleFile[] {
  if (detector.parameters['kind'] !== 'centerface') throw refused(detector, 'detect_embed needs a detector of kind centerface');
  if (embedder.parameters['kind'] !== 'face_embedder' || (embedder.parameters['align'] ?? 'five_point') !== 'five_point')
    throw refused(embedder, 'detect_embed needs an embedder of kind face_embedder that aligns by five points');
  if ((detector.parameters['fit'] ?? 'stretch') !== 'stretch') throw refused(detector, 'detect_embed only stretches pictures');
  const [frame, ...others] = detector.inputs;
  if (frame === undefined || others.length > 0 || detector.outputs.length !== 4 || detector.maxBatchSize < 1)
    throw refused(detector, 'detect_embed needs one input, four outputs and a batch axis');
  const { input, output } = pictureTensors(embedder);
  const rows = (tensor: TensorContract, name: string): TensorContract => ({ ...tensor, name, dims: [-1, ...tensor.dims] });
  const maps = ['heat', 'size', 'offset', 'points'];
  const pixels: TensorContract = { name: 'pixels', datatype: 'UINT8', dims: [-1, -1, 3] };
  const found: readonly TensorContract[] = [
    { name: 'count', datatype: 'INT32', dims: [1] },
    { name: 'boxes', datatype: 'FP32', dims: [-1, 4] },
    { name: 'scores', datatype: 'FP32', dims: [-1] },
    { name: 'landmarks', datatype: 'FP32', dims: [-1, 10] },
  ];
  const scale = {
    name: 'detect_embed_scale',
    maxBatchSize: 0,
    inputs: [encoded],
    outputs: [rows(frame, 'input'), pixels],
    parameters: pictureParameters(detector, frame),
  };
  const align = {
    name: 'detect_embed_align',
    maxBatchSize: 0,
    inputs: [pixels, ...detector.outputs.map((tensor, index) => rows(tensor, maps[index] ?? ''))],
    outputs: [...found, rows(input, 'faces')],
    parameters: {
      ...pictureParameters(embedder, input),
      ...pick(detector.parameters, ['score_threshold', 'nms_threshold']),
      max_faces: String(embedder.maxBatchSize),
    },
  };
  const ensemble = {
    name: 'detect_embed',
    maxBatchSize: 0,
    inputs: [encoded],
    outputs: [...found, rows(output, 'embeddings')],
    parameters: spaceOf(embedder),
  };
  const same = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, name]));
  const steps = [
    { model: scale.name, inputs: same(['image']), outputs: same(['input', 'pixels']) },
    {
      model: detector.name,
      inputs: { [frame.name]: 'input' },
      outputs: Object.fromEntries(detector.outputs.map(({ name }, index) => [name, maps[index] ?? ''])),
    },
    {
      model: align.name,
      inputs: same(['pixels', ...maps]),
      outputs: same([...found.map(({ name }) => name), 'faces']),
    },
    { model: embedder.name, inputs: { [input.name]: 'faces' }, outputs: { [output.name]: 'embeddings' } },
  ];
  return [...pythonModel(scale, 'scale.py', plan), ...pythonModel(align, 'align.py', plan), ...ensembleModel(ensemble, steps)];
}

interface ConfigParts {
  readonly name: string;
  readonly maxBatchSize: number;
  readonly inputs: readonly TensorContract[];
  readonly outputs: readonly TensorContract[];
  readonly parameters?: Readonly<Record<string, string>>;
}

const encoded: TensorContract = { name: 'image', datatype: 'UINT8', dims: [-1] };

/** The only input, of pictures of one size, and the only output. */
function pictureTensors(model: ModelDescription): { readonly input: TensorContract; readonly output: TensorContract } {
  const [input, ...inputs] = model.inputs;
  const [output, ...outputs] = model.outputs;
  if (input === undefined || output === undefined || inputs.length > 0 || outputs.length > 0)
    throw refused(model, 'an ensemble needs one input and one output');
  if (input.datatype !== 'FP32' || input.dims.length !== 3 || input.dims.includes(-1) || model.maxBatchSize < 1)
    throw refused(model, `an ensemble needs an FP32 input of one size and a batch axis; "${input.name}" is not that`);
  return { input, output };
}

function refused(model: ModelDescription, message: string): SightlineError {
  return new SightlineError('model.invalid', `${model.name} does not suit: ${message}`, { details: { model: model.name } });
}

function pick(all: Readonly<Record<string, string>>, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])));
}

/** The space that the vectors belong to. */
function spaceOf(embedder: ModelDescription): Readonly<Record<string, string>> {
  const { space, space_version: version } = embedder.parameters;
  return { space: space ?? embedder.name, space_version: version ?? '1' };
}

/** What the scripts need to know; zero for a side that is free. */
function pictureParameters(model: ModelDescription, input: TensorContract): Readonly<Record<string, string>> {
  const sides = (model.parameters['layout'] === 'nhwc' ? input.dims.slice(0, 2) : input.dims.slice(1)).map((side) =>
    String(Math.max(0, side)),
  );
  const known = ['kind', 'colour', 'layout', 'scale', 'mean', 'std', 'resize', 'interpolation', 'pad_value', 'width'];
  return {
    ...pick(model.parameters, [...known, 'align_scale', 'align_offset']),
    input_height: sides[0] ?? '0',
    input_width: sides[1] ?? '0',
  };
}

function tensors(field: 'input' | 'output', list: readonly TensorContract[]): string {
  const lines = list.map(
    ({ name, datatype, dims }) => `  { name: ${quoted(name)} data_type: TYPE_${datatype} dims: [ ${dims.join(', ')} ] }`,
  );
  return `${field} [\n${lines.join(',\n')}\n]`;
}

function parametersText(parameters: Readonly<Record<string, string>>): string {
  const lines = Object.entries(parameters).map(
    ([key, value]) => `  { key: ${quoted(key)} value: { string_value: ${quoted(value)} } }`,
  );
  return lines.length === 0 ? '' : `parameters [\n${lines.join(',\n')}\n]\n`;
}

function config(kind: string, parts: ConfigParts, rest: string): string {
  const head = `# Written by sightline triton render.\nname: ${quoted(parts.name)}\n${kind}\nmax_batch_size: ${parts.maxBatchSize}`;
  return `${head}\n${tensors('input', parts.inputs)}\n${tensors('output', parts.outputs)}\n${parametersText(parts.parameters ?? {})}${rest}`;
}

function pythonModel(parts: ConfigParts, script: string, plan: HardwarePlan): EnsembleFile[] {
  const group = `instance_group [ { count: ${plan.instances} kind: KIND_CPU } ]\n`;
  return [
    { path: `${parts.name}/config.pbtxt`, content: { text: config('backend: "python"', parts, group) } },
    { path: `${parts.name}/1/model.py`, content: { script } },
    { path: `${parts.name}/1/pictures.py`, content: { script: 'pictures.py' } },
  ];
}

interface Step {
  readonly model: string;
  /** Its tensor to that of the ensemble. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
}

function ensembleModel(parts: ConfigParts, steps: readonly Step[]): EnsembleFile[] {
  const maps = (field: string, map: Step['inputs']) =>
    Object.entries(map).map(([key, value]) => `      ${field} { key: ${quoted(key)} value: ${quoted(value)} }`);
  const texts = steps.map(({ model, inputs, outputs }) =>
    [
      '    {',
      `      model_name: ${quoted(model)}`,
      '      model_version: -1',
      ...maps('input_map', inputs),
      ...maps('output_map', outputs),
      '    }',
    ].join('\n'),
  );
  const scheduling = `ensemble_scheduling {\n  step [\n${texts.join(',\n')}\n  ]\n}\n`;
  return [
    { path: `${parts.name}/config.pbtxt`, content: { text: config('platform: "ensemble"', parts, scheduling) } },
    // A version is a folder, and a folder without files does not survive every copy.
    { path: `${parts.name}/1/.keep`, content: { text: '' } },
  ];
}

const daliThreads = 4;

/**
 * https://github.com/triton-inference-server/dali_backend: pictures are decoded on the GPU. Its decoder and its filters are not ours, so
 * vectors differ a little. On a CPU its numbers are within 1 level of ours for a box, within 5 for CLIP's view (DALI 2.4.0); neither the
 * backend nor a GPU was at hand.
 */
function daliModel(parts: ConfigParts, embedder: ModelDescription, input: TensorContract): EnsembleFile[] {
  const { kind, colour, layout, resize = 'center_crop' } = embedder.parameters;
  const [scale, mean, std] = (['scale', 'mean', 'std'] as const).map((key) => {
    const given = embedder.parameters[key] ?? { scale: '1/255', mean: '0, 0, 0', std: '1, 1, 1' }[key];
    // It becomes code.
    if (!/^[\d\s.,/e+-]+$/.test(given)) throw refused(embedder, `parameter ${key} says "${given}"; allowed are numbers`);
    return given;
  });
  if (kind === 'clip_visual' && resize === 'pad') throw refused(embedder, 'the decoder dali does not pad');
  const { input_height: height, input_width: width } = pictureParameters(embedder, input);
  const crops = kind === 'clip_visual' && resize === 'center_crop';
  const interpolation = embedder.parameters['interpolation'] ?? (kind === 'clip_visual' ? 'bicubic_antialias' : 'bilinear');
  const filter = interpolation.startsWith('bicubic') ? 'CUBIC' : 'LINEAR';
  const order = colour === 'bgr' ? '[::-1]' : '';
  const text = `"""Written by sightline triton render: encoded pictures in, the input of ${embedder.name} out."""

import nvidia.dali as dali
from nvidia.dali import fn, types
from nvidia.dali.plugin.triton import autoserialize

SCALE = ${scale}


@autoserialize
@dali.pipeline_def(batch_size=${parts.maxBatchSize}, num_threads=${daliThreads}, device_id=0)
def decode():
    encoded = fn.external_source(device="cpu", name="image")
    pictures = fn.decoders.image(encoded, device="mixed", output_type=types.${colour === 'bgr' ? 'BGR' : 'RGB'})
    pictures = fn.resize(
        pictures,
        resize_x=${width},
        resize_y=${height},
        mode="${crops ? 'not_smaller' : 'default'}",
        interp_type=types.INTERP_${filter},
        antialias=${interpolation.endsWith('_antialias') ? 'True' : 'False'},
    )
    return fn.crop_mirror_normalize(
        pictures,
        dtype=types.FLOAT,
        output_layout="${layout === 'nhwc' ? 'HWC' : 'CHW'}",
        crop=(${height}, ${width}),
        mean=[value / SCALE for value in [${mean}]]${order},
        std=[value / SCALE for value in [${std}]]${order},
    )
`;
  const threads = { num_threads: String(daliThreads) };
  return [
    { path: `${parts.name}/config.pbtxt`, content: { text: config('backend: "dali"', { ...parts, parameters: threads }, '') } },
    { path: `${parts.name}/1/dali.py`, content: { text } },
  ];
}

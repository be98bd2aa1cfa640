import { SightlineError } from '../core/errors.ts';
import type { ModelDescription } from '../core/inference.ts';

/**
 * Reads `parameters` of a `config.pbtxt`. Every problem is `model.invalid` and names the model, the parameter, what it says and
 * what would be allowed. `finish` refuses parameters that nobody asked for, so that a misspelt one cannot stay unnoticed.
 */
export class Parameters {
  readonly #model: ModelDescription;
  readonly #read = new Set<string>();

  constructor(model: ModelDescription) {
    this.#model = model;
  }

  text(key: string, fallback?: string): string {
    const text = this.#raw(key) ?? fallback;
    if (text === undefined || text === '') throw this.#invalid(key, 'is missing', 'a text');
    return text;
  }

  choice<T extends string>(key: string, allowed: readonly T[], fallback?: T): T {
    const text = this.#raw(key) ?? fallback;
    const found = allowed.find((value) => value === text);
    if (found === undefined) throw this.#invalid(key, says(text), allowed.join(', '));
    return found;
  }

  number(key: string, range: { min: number; max: number; fallback?: number; whole?: boolean }): number {
    const text = this.#raw(key);
    const value = text === undefined ? range.fallback : parseNumber(text);
    const inside = value !== undefined && value >= range.min && value <= range.max;
    if (!inside || (range.whole === true && !Number.isInteger(value))) {
      const kind = range.whole === true ? 'a whole number' : 'a number';
      throw this.#invalid(key, says(text), `${kind} from ${range.min} to ${range.max}`);
    }
    return value;
  }

  /** `a, b, c`: exactly `count` numbers. */
  numbers(key: string, count: number, fallback?: readonly number[]): readonly number[] {
    const text = this.#raw(key);
    if (text === undefined && fallback !== undefined) return fallback;
    const values = (text ?? '').split(',').map((part) => parseNumber(part));
    if (values.length !== count || values.some((value) => value === undefined))
      throw this.#invalid(key, says(text), `${count} numbers separated by commas`);
    return values.flatMap((value) => value ?? []);
  }

  /** `a, b, c`: at least one non-empty text. */
  list(key: string, fallback?: readonly string[]): readonly string[] {
    const text = this.#raw(key);
    if (text === undefined && fallback !== undefined) return fallback;
    const values = (text ?? '').split(',').map((part) => part.trim());
    if (values.some((value) => value === '')) throw this.#invalid(key, says(text), 'names separated by commas');
    return values;
  }

  /** Names of classes by number: the parameter `labels`, or the label file of an output. */
  labels(fallback?: readonly string[]): readonly string[] {
    const { labels } = this.#model;
    if (labels === undefined) return this.list('labels', fallback);
    const text = this.#raw('labels');
    if (text !== undefined) throw this.#invalid('labels', 'is given beside a label_filename', 'one of the two');
    return labels;
  }

  /** Throws when there are parameters that were not read; those of Triton's onnxruntime backend are left alone. */
  finish(): void {
    const known = [...this.#read].sort();
    for (const key of Object.keys(this.#model.parameters)) {
      if (!this.#read.has(key) && !backendParameter.test(key))
        throw this.#invalid(key, `is unknown for kind ${this.#model.parameters['kind']}`, known.join(', '));
    }
  }

  /** The error for a contract that does not suit the model's kind. */
  contract(message: string): SightlineError {
    return new SightlineError('model.invalid', `${this.#model.name}/config.pbtxt: ${message}`, {
      details: { model: this.#model.name },
    });
  }

  #raw(key: string): string | undefined {
    this.#read.add(key);
    return this.#model.parameters[key]?.trim();
  }

  #invalid(key: string, problem: string, allowed: string): SightlineError {
    return new SightlineError(
      'model.invalid',
      `${this.#model.name}/config.pbtxt: parameter ${key} ${problem}; allowed is ${allowed}`,
      { details: { model: this.#model.name, parameter: key, allowed } },
    );
  }
}

export interface DetectorLimits {
  readonly labels: readonly string[];
  readonly score: number;
  readonly nms: number;
  readonly count: number;
}

/**
 * What every detector that is suppressed here has: `labels` (required where there is no fallback), `score_threshold`,
 * `nms_threshold`, `max_detections`.
 */
export function readDetectorLimits(
  parameters: Parameters,
  fallback: Omit<DetectorLimits, 'labels'> & Partial<Pick<DetectorLimits, 'labels'>>,
): DetectorLimits {
  return {
    labels: parameters.labels(fallback.labels),
    score: parameters.number('score_threshold', { min: 0, max: 1, fallback: fallback.score }),
    nms: parameters.number('nms_threshold', { min: 0, max: 1, fallback: fallback.nms }),
    count: parameters.number('max_detections', { min: 1, max: 10_000, whole: true, fallback: fallback.count }),
  };
}

/** https://github.com/triton-inference-server/onnxruntime_backend, "Model Config Options". */
const backendParameter =
  /^(session\.|memory\.|intra_op_thread_count$|inter_op_thread_count$|execution_mode$|level$|enable_mem_|cudnn_|gpu_mem_limit$|arena_extend_strategy$)/;

function says(text: string | undefined): string {
  return text === undefined ? 'is missing' : `says "${text}"`;
}

/** A decimal number, or a fraction such as `1/255`. */
function parseNumber(text: string): number | undefined {
  const [, numerator, denominator] = /^\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(?:\/\s*([\d.]+)\s*)?$/i.exec(text) ?? [];
  if (numerator === undefined) return undefined;
  const value = Number(numerator) / Number(denominator ?? 1);
  return Number.isFinite(value) ? value : undefined;
}

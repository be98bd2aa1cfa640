import { z } from 'zod';
import type { Finding } from '../core/doctor.ts';

/** What the check that the program in a DeepStream container makes of image and card (deepstream/app/checks.cpp) means. Pure. */

export interface ContainerExpectations {
  /** Of the bridge, as this daemon speaks it. */
  readonly protocol: number;
  /** `deepstream.encoder.kind`. */
  readonly encoder: 'auto' | 'hardware' | 'software' | 'none';
}

export interface CheckEnding {
  readonly late: boolean;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly lastWords: string | undefined;
}

export interface ContainerFindings {
  /** What a line of the check says; nothing for what is none. */
  line(text: string): readonly Finding[];
  /** The check that is under way. */
  readonly at: string | undefined;
  /** What is missing when it ends: the program's end, or the answer of a check. */
  end(ending: CheckEnding): readonly Finding[];
}

const lineSchema = z.union([
  z.object({ check: z.string(), begins: z.literal(true) }),
  z.object({
    check: z.string(),
    ok: z.boolean(),
    seen: z.string(),
    facts: z.object({ protocol: z.number().optional(), hardware: z.boolean().optional() }).default({}).catch({}),
  }),
  z.object({ done: z.literal(true) }),
]);
type Answer = Extract<z.output<typeof lineSchema>, { readonly ok: boolean }>;

const buildAnew = 'build the image anew: make deepstream-image (docs/deepstream.md)';
const giveCard =
  'the container has not all of the card: look at the container toolkit and deepstream.gpuAccess; it needs the driver capabilities compute, video and utility';

interface Meaning {
  readonly subject: string;
  /** Of what is not as it should be. */
  readonly verdict: 'fail' | 'warn';
  readonly remedy: string;
}

const meanings: Readonly<Record<string, Meaning>> = {
  program: { subject: 'program in the container', verdict: 'fail', remedy: buildAnew },
  driver: {
    subject: 'figures of the GPU',
    verdict: 'warn',
    remedy: `cameras work without; ${giveCard}`,
  },
  elements: {
    subject: 'elements',
    verdict: 'fail',
    remedy: `the image is not DeepStream 9.1, or its plugins cannot be loaded here; ${giveCard}`,
  },
  plugins: {
    subject: 'plugins',
    verdict: 'warn',
    remedy: `a library that they need is missing: ${giveCard}`,
  },
  parsers: { subject: 'parsers', verdict: 'fail', remedy: buildAnew },
  tracker: { subject: 'tracker', verdict: 'fail', remedy: buildAnew },
  'decoder-h264': { subject: 'codec H.264', verdict: 'fail', remedy: giveCard },
  'decoder-h265': {
    subject: 'codec H.265',
    verdict: 'warn',
    remedy: `cameras that send H.265 cannot be read; ${giveCard}`,
  },
  crops: { subject: 'crops', verdict: 'fail', remedy: giveCard },
};

const byProcessor = `the processor decodes, the card could; ${giveCard}`;
/** Of the init process, where there is nothing to start, and of the loader, where the program lacks a library. */
const notFound = 127;
const annotated = 'codec of annotated video';
const encoders = ['encoder-hardware', 'encoder-software'];

/** Of a check that this daemon knows and the program says nothing of. */
function untold(check: string): Finding {
  const subject = encoders.includes(check) ? annotated : (meanings[check]?.subject ?? check);
  return { subject, verdict: 'warn', seen: `the program in the image does not look for it ("${check}")`, remedy: buildAnew };
}

/** How one check goes, line by line. */
export function createContainerFindings(expected: ContainerExpectations): ContainerFindings {
  let at: string | undefined;
  let isDone = false;
  let hardware: Answer | undefined;
  let hasElements = false;
  const unheard = new Set([...Object.keys(meanings), ...encoders]);

  function answered(answer: Answer): readonly Finding[] {
    const { check, ok, seen } = answer;
    unheard.delete(check);
    if (check === 'encoder-hardware') {
      hardware = answer;
      return [];
    }
    if (check === 'encoder-software') return encoderFindings(expected.encoder, hardware, answer);
    if (check === 'elements') hasElements = ok;
    // A large image brings plugins for what is not here.
    if (check === 'plugins' && !ok && hasElements)
      return [{ subject: 'plugins', verdict: 'pass', seen: `${seen}; no element that is used is in them` }];
    const { subject, verdict, remedy } = meanings[check] ?? { subject: check, verdict: 'warn', remedy: buildAnew };
    if (!ok) return [{ subject, verdict, seen, remedy }];
    const { protocol, hardware: byCard } = answer.facts;
    if (check === 'program' && protocol !== expected.protocol)
      return [{ subject, verdict: 'fail', seen: `${seen}; it speaks protocol ${protocol}, not ${expected.protocol}`, remedy }];
    if (byCard === false) return [{ subject, verdict: 'warn', seen, remedy: byProcessor }];
    return [{ subject, verdict: 'pass', seen }];
  }

  return {
    get at() {
      return at;
    },
    line: (text) => {
      const line = lineSchema.safeParse(jsonOf(text)).data;
      // Libraries print what they like.
      if (line === undefined) return [];
      at = undefined;
      if ('done' in line) {
        isDone = true;
        return [];
      }
      if (!('begins' in line)) return answered(line);
      at = line.check;
      return [];
    },
    end: (ending) => {
      if (isDone) return [...unheard].map(untold);
      const subject = 'program in the container';
      const where = at === undefined ? '' : `, at "${at}"`;
      const words = ending.lastWords === undefined ? '' : `: ${wordsOf(ending.lastWords)}`;
      if (ending.exitCode === notFound) {
        const seen = `the image does not hold the program sightline-bridge, or a library that it needs${words}`;
        return [{ subject, verdict: 'fail', seen, remedy: buildAnew }];
      }
      if (ending.late) return [{ subject, verdict: 'fail', seen: `its check was not done in time${where}`, remedy: giveCard }];
      if (ending.outOfMemory)
        return [
          {
            subject,
            verdict: 'fail',
            seen: `its check took too much memory${where}`,
            remedy: 'raise deepstream.memoryMegabytes',
          },
        ];
      return [
        {
          subject,
          verdict: 'fail',
          seen: `its check ended with exit code ${ending.exitCode}${where}${words}`,
          remedy: buildAnew,
        },
      ];
    },
  };
}

function encoderFindings(
  wanted: ContainerExpectations['encoder'],
  hardware: Answer | undefined,
  software: Answer,
): readonly Finding[] {
  const subject = annotated;
  const isHardware = hardware?.ok === true;
  const seenHardware = hardware?.seen ?? 'the card was not looked at';
  switch (wanted) {
    case 'none':
      return [{ subject, verdict: 'skip', seen: 'deepstream.encoder.kind is none' }];
    case 'hardware':
      if (isHardware) return [{ subject, verdict: 'pass', seen: seenHardware }];
      return [
        {
          subject,
          verdict: 'fail',
          seen: seenHardware,
          remedy: `set deepstream.encoder.kind to auto or software; or ${giveCard}`,
        },
      ];
    case 'software':
    case 'auto':
      if (wanted === 'auto' && isHardware) return [{ subject, verdict: 'pass', seen: seenHardware }];
      if (!software.ok) {
        const seen = wanted === 'auto' ? `${seenHardware}; ${software.seen}` : software.seen;
        return [{ subject, verdict: 'fail', seen, remedy: `${buildAnew}, with SOFTWARE_ENCODER=true` }];
      }
      if (wanted === 'software') return [{ subject, verdict: 'pass', seen: software.seen }];
      return [
        {
          ...{ subject, verdict: 'warn', seen: `${software.seen}, since ${seenHardware}` },
          remedy: `H100, A100 and Orin Nano have no encoder: set deepstream.encoder.kind to software there; elsewhere ${giveCard}`,
        },
      ];
  }
}

/** Of a log line of the program; another's as it is. */
function wordsOf(line: string): string {
  return z.object({ msg: z.string() }).safeParse(jsonOf(line)).data?.msg ?? line;
}

function jsonOf(text: string): unknown {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

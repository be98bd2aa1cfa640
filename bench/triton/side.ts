import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** The sides of bench/triton.ts: each a process of its own that reads one JSON object a line and answers each with one. */

/** Which model is run, on the same values by all sides. */
export interface Target {
  readonly model: string;
  readonly input: string;
  readonly output: string;
  /** Of one row. */
  readonly shape: readonly number[];
  /** Of the input; FP32 when absent, and for the peer. */
  readonly datatype?: 'FP32' | 'UINT8';
  /** Our side fills one in shared memory again and again, as a detector does; absent: memory of its own, as an embedder. */
  readonly frame?: true;
}

/** One request after another; the tensor is filled anew for each. */
export interface TurnAsk extends Target {
  readonly do: 'turn';
  readonly way: 'grpc' | 'shm' | 'direct';
  readonly count: number;
}

export interface TurnAnswer {
  /** Of each request. */
  readonly ms: readonly number[];
  /** Processor time of the client's process, a request. */
  readonly cpuMs: number;
}

/** So many requests of one row under way, of eight cameras where the side knows cameras; with `batch` one after another of so many rows. */
export interface FlightAsk extends Target {
  readonly do: 'flight';
  readonly waiting: number;
  readonly cameras: number;
  readonly seconds: number;
  readonly batch?: number;
}

export interface FlightAnswer {
  readonly rows: number;
  readonly seconds: number;
  readonly cpuMs: number;
}

/** `rate` requests a second of all cameras together, in turn, whatever becomes of them. */
export interface OverloadAsk extends Target {
  readonly do: 'overload';
  readonly rate: number;
  readonly cameras: number;
  readonly deadlineMs: number;
  readonly seconds: number;
}

export interface OverloadAnswer {
  readonly offered: number;
  /** Answered within the deadline, by camera. */
  readonly inTime: readonly number[];
  readonly seconds: number;
}

/** `rate` requests a second of all cameras together, in turn, from now until `end`. Of our side only. */
export interface BeginAsk extends Target {
  readonly do: 'begin';
  readonly rate: number;
  readonly cameras: number;
  readonly deadlineMs: number;
}

export interface EndAsk {
  readonly do: 'end';
}

/** What became of it all; times are milliseconds since 1970, the same in every process here. */
export interface EndAnswer {
  readonly requests: readonly {
    readonly sentMs: number;
    readonly deadlineMs: number;
    readonly endMs: number;
    /** `answered`, or the code of the error. */
    readonly outcome: string;
  }[];
  /** Servers' states as the engine saw them, each when it changed. */
  readonly changes: readonly { readonly atMs: number; readonly server: string; readonly state: string }[];
}

export type Ask = TurnAsk | FlightAsk | OverloadAsk | BeginAsk | EndAsk;

/** Now, comparable between processes. */
export function sharedNow(): number {
  return performance.timeOrigin + performance.now();
}

export interface Side extends AsyncDisposable {
  readonly pid: number;
  turn(ask: Omit<TurnAsk, 'do'>): Promise<TurnAnswer>;
  flight(ask: Omit<FlightAsk, 'do'>): Promise<FlightAnswer>;
  overload(ask: Omit<OverloadAsk, 'do'>): Promise<OverloadAnswer>;
  begin(ask: Omit<BeginAsk, 'do'>): Promise<void>;
  end(): Promise<EndAnswer>;
}

export function startSide(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Side {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (question: Ask) => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`${program} ${args.join(' ')} ended within ${question.do}`);
    return JSON.parse(value);
  };
  return {
    pid: child.pid ?? 0,
    turn: (question) => ask({ do: 'turn', ...question }),
    flight: (question) => ask({ do: 'flight', ...question }),
    overload: (question) => ask({ do: 'overload', ...question }),
    begin: (question) => ask({ do: 'begin', ...question }),
    end: () => ask({ do: 'end' }),
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}

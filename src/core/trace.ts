import { randomBytes } from 'node:crypto';

/**
 * Trace ids of requests, by which whoever runs a network can be asked about one of them: https://www.w3.org/TR/trace-context/
 */
export interface Trace {
  /** 32 hexadecimal digits; what logs and alerts name. */
  readonly id: string;
  /** As it travels: version, id, our span, flags. We write no spans ourselves: ours is the parent of the server's. */
  readonly traceparent: string;
}

/** A trace of its own for what begins now, or none for what is not traced. */
export type BeginTrace = () => Trace | undefined;

const idBytes = 16;
const spanBytes = 8;

/**
 * Gives that share of its calls a trace, 0 to 1; the id itself decides, as OpenTelemetry's TraceIdRatioBased sampler does. `random` gives
 * so many random bytes.
 */
export function createTracer(ratio: number, random: (size: number) => Buffer = randomBytes): BeginTrace {
  if (ratio <= 0) return () => undefined;
  return () => {
    const bytes = random(idBytes + spanBytes);
    if (bytes.readUIntBE(idBytes - 6, 6) >= ratio * 2 ** 48) return undefined;
    // Ids of nothing but zeros are none.
    for (const at of [0, idBytes]) bytes.writeUInt8(bytes.readUInt8(at) | 1, at);
    const id = bytes.toString('hex', 0, idBytes);
    return { id, traceparent: `00-${id}-${bytes.toString('hex', idBytes)}-01` };
  };
}

/** For lines of the log about a request. */
export function traceField(trace: Trace | undefined): { readonly trace?: string } {
  return trace === undefined ? {} : { trace: trace.id };
}

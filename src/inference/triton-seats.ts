import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { errorText, SightlineError } from '../core/errors.ts';
import type { ModelDescription, ModelState } from '../core/inference.ts';
import type { FloodGate } from '../core/log.ts';
import { closedError } from './refusals.ts';
import { servedContract } from './triton-contract.ts';
import { firstLine } from './triton-failures.ts';
import type { PoolServer, TritonPool } from './triton-pool.ts';
import { Seat } from './triton-seat.ts';

const contractWithinMs = 5000;
/** A contract that does not fit changes only when somebody changes it. */
const refusedAgainMs = 10_000;
/** Asking what a server serves costs little: a model that was loaded is found soon. */
const askAgainMs = 1500;
/** A model that hangs costs the request that tries it the time until it is left. */
const tryAgainMs = 10_000;

/** Which servers can run one model: each is asked what it serves before it gets a request, and again after it failed. */
export class Seats {
  readonly #model: ModelDescription;
  readonly #pool: TritonPool;
  readonly #ctx: Context;
  readonly #flood: FloodGate;
  readonly #changed: () => void;
  readonly #signal: AbortSignal;
  readonly #seats = new Map<PoolServer, Seat>();
  readonly #backoffs = new WeakMap<Seat, Backoff>();
  #wanted: PromiseWithResolvers<void> | undefined;

  /** `changed` is called when requests may have somewhere to go; nothing is asked any more once the signal has fired. */
  constructor(
    model: ModelDescription,
    house: { readonly pool: TritonPool; readonly ctx: Context; readonly flood: FloodGate },
    changed: () => void,
    signal: AbortSignal,
  ) {
    this.#model = model;
    this.#pool = house.pool;
    this.#ctx = house.ctx;
    this.#flood = house.flood;
    this.#changed = changed;
    this.#signal = signal;
  }

  /** Rows that one request may have on every server that is known. */
  get ceiling(): number {
    const known = [...this.#seats.values()].filter(({ state }) => state.is === 'ready').map(({ ceiling }) => ceiling);
    return Math.max(1, Math.min(this.#model.maxBatchSize, ...known));
  }

  /** It answered: the next failure is the first again. */
  answered(seat: Seat): void {
    this.#backoffs.get(seat)?.reset();
  }

  /** Gives up what is under way, and whoever waits for `load`. */
  close(): void {
    for (const seat of this.#seats.values()) for (const flight of seat.flights) flight.leave('closed');
    this.#wanted?.promise.catch(() => {});
    this.#wanted?.reject(closedError());
  }

  /** Resolves when a server can be asked; rejects with the reason when every server has been and none can. */
  async load(): Promise<void> {
    this.check(true);
    while (!this.#some('ready')) {
      if (!this.#some('checking')) throw this.unavailable();
      this.#wanted ??= Promise.withResolvers<void>();
      await this.#wanted.promise;
    }
  }

  state(): ModelState {
    const model = this.#model.name;
    const usable = [...this.#seats.values()].filter((seat) => seat.state.is === 'ready');
    if (usable.some((seat) => !seat.stalled)) return { state: 'ready', model };
    if (this.#some('checking')) return { state: 'loading', model };
    return { state: 'unavailable', model, reason: this.#whyNot() };
  }

  /** A server's state changed: what is known of the model there counts no longer once it was away. */
  serverChanged(server: PoolServer, gone: boolean): void {
    const seat = this.#seats.get(server);
    if (server.state === 'away' && seat !== undefined) {
      seat.state = { is: 'unknown' };
      const elsewhere = this.usable().length > 0;
      // It may still answer: with nowhere else to go, what is under way waits for that.
      if (elsewhere || gone) for (const flight of seat.flights) flight.leave(server.reason);
    }
    if (gone) this.#seats.delete(server);
    this.#changed();
  }

  /** Called several times a second: what hangs is left, what was left is tried again. */
  tick(): void {
    const nowMs = this.#ctx.clock.mono();
    for (const seat of this.#seats.values()) {
      if (seat.server.state === 'away' && this.usable().length > 0)
        for (const flight of seat.flights) flight.leave(seat.server.reason);
      // Nobody may ask it any more: it gets another chance.
      if (seat.stalled && seat.flights.length === 0 && nowMs >= seat.stalledUntilMs) seat.stalled = false;
      const silentMs = seat.state.is === 'ready' ? seat.stalledMs(nowMs) : undefined;
      if (silentMs === undefined) continue;
      const reason = `has not answered for ${(silentMs / 1000).toFixed(1)} s`;
      const elsewhere = this.usable().some((other) => other !== seat && !other.stalled);
      if (!elsewhere) {
        if (!seat.stalled) this.#flood.warn('model hangs', { model: this.#model.name, server: seat.server.name, reason });
        seat.stalled = true;
        seat.stalledUntilMs = nowMs + tryAgainMs;
        continue;
      }
      // One request at a time until it answers again.
      seat.failures += 1;
      this.leave(seat, reason, tryAgainMs);
      for (const flight of seat.flights) {
        // It takes that long at least: what is slow and does not hang gets more time when it is tried again.
        seat.remove(flight, nowMs, 'late');
        flight.leave(reason);
      }
    }
    this.check();
    this.#changed();
  }

  #some(is: Seat['state']['is']): boolean {
    return [...this.#seats.values()].some(({ state }) => state.is === is);
  }

  /** Where the model can run: servers that are ready, or, without any, those that are busy. */
  usable(): readonly Seat[] {
    const seats = [...this.#seats.values()].filter(({ state, server }) => state.is === 'ready' && server.state !== 'away');
    const ready = seats.filter(({ server }) => server.state === 'ready');
    return ready.length > 0 ? ready : seats;
  }

  /** Whether one of them is thought to answer: it may hang on all. */
  get answering(): boolean {
    return this.usable().some(({ stalled }) => !stalled);
  }

  /** Another server can run it as well, or is being asked whether it can. */
  elsewhere(seat: Seat): boolean {
    return [...this.#seats.values()].some(
      (other) => other !== seat && other.server.state !== 'away' && other.state.is !== 'unavailable',
    );
  }

  #whyNot(): string {
    const reasons = [...this.#seats.values()].flatMap(({ server, state, stalled }) => {
      if (state.is === 'unavailable') return [`${server.name}: ${state.reason}`];
      if (state.is === 'checking') return [`${server.name}: it has not said yet what it serves`];
      return stalled ? [`${server.name}: it does not answer`] : [];
    });
    return reasons.length > 0 ? reasons.join('; ') : this.#pool.text();
  }

  /** Why nothing can run, for whoever asked. */
  unavailable(): SightlineError {
    const { name } = this.#model;
    return new SightlineError('inference.unavailable', `no triton server can run ${name}: ${this.#whyNot()}`, {
      details: { model: name },
    });
  }

  /** Asks servers that were not asked yet, and those whose time has come; with `now` all that cannot run it. */
  check(now = false): void {
    if (this.#signal.aborted) return;
    const nowMs = this.#ctx.clock.mono();
    for (const server of this.#pool.servers) {
      if (server.state === 'away' || server.state === 'unknown') continue;
      let seat = this.#seats.get(server);
      if (seat === undefined) {
        seat = new Seat(server);
        this.#seats.set(server, seat);
      }
      const due = seat.state.is === 'unknown' || (seat.state.is === 'unavailable' && (now || nowMs >= seat.state.untilMs));
      if (due) void this.#compare(seat);
    }
  }

  /** Asks a server what it serves and holds it against what we need. */
  async #compare(seat: Seat): Promise<void> {
    const [ctx, flood] = [this.#ctx, this.#flood];
    const { client, name: server } = seat.server;
    const { name, version } = this.#model;
    const before = seat.state;
    const checking = { is: 'checking' } as const;
    seat.state = checking;
    try {
      const settings = { timeoutMs: contractWithinMs, signal: this.#signal };
      const [metadata, config] = await Promise.all([
        client.modelMetadata(name, '', settings),
        client.modelConfig(name, '', settings),
      ]);
      const contract = servedContract(this.#model, metadata, config);
      if (seat.state !== checking) return;
      if (contract.differences.length > 0) {
        const reason = `what it serves is not what is needed: ${contract.differences.join('; ')}`;
        seat.state = { is: 'unavailable', reason, untilMs: ctx.clock.mono() + refusedAgainMs };
        flood.error('triton serves another model', { model: name, server, differences: contract.differences });
        return;
      }
      if (before.is === 'unknown' && contract.warnings.length > 0)
        ctx.log.warn({ model: name, server, warnings: contract.warnings }, 'triton serves a model not quite as described');
      if (!(await client.modelReady(name, version, settings))) throw new SightlineError('model.missing', 'it is not ready');
      if (seat.state !== checking) return;
      seat.state = { is: 'ready' };
      seat.ceiling = Math.max(1, contract.maxBatchSize);
      seat.instances = contract.instances;
      ctx.log.info({ model: name, version, server }, 'model is served');
    } catch (error) {
      if (seat.state !== checking) return;
      this.leave(seat, firstLine(errorText(error)));
    } finally {
      this.#wanted?.resolve();
      this.#wanted = undefined;
      this.#changed();
    }
  }

  /** This server is not asked for this model for a while; longer each time until it answers, `mostMs` at most. */
  leave(seat: Seat, reason: string, mostMs = askAgainMs): void {
    if (this.#signal.aborted) return;
    let backoff = this.#backoffs.get(seat);
    if (backoff === undefined) {
      backoff = new Backoff({ firstMs: 250, maxMs: tryAgainMs });
      this.#backoffs.set(seat, backoff);
    }
    seat.state = { is: 'unavailable', reason, untilMs: this.#ctx.clock.mono() + Math.min(mostMs, backoff.next()) };
    this.#flood.warn('triton server cannot run a model', { model: this.#model.name, server: seat.server.name, reason });
  }

  /** The server that would be done first, of those with room. */
  choose(budgetMs: number, passed: ReadonlySet<Seat>): Seat | undefined {
    const nowMs = this.#ctx.clock.mono();
    const takers = this.usable().filter((seat) => nowMs >= seat.pausedUntilMs && !passed.has(seat));
    let best: Seat | undefined;
    for (const seat of takers) {
      if (seat.room(budgetMs) < 1 || seat.stalled) continue;
      if (best === undefined || seat.meanMs(1, nowMs) < best.meanMs(1, nowMs)) best = seat;
    }
    if (best !== undefined) return best;
    // One that hangs is asked when nothing is under way there.
    return takers.find((seat) => seat.flights.length === 0);
  }
}

import { isIP } from 'node:net';
import { aborted } from '../core/aborted.ts';
import { Backoff } from '../core/backoff.ts';
import type { Context } from '../core/context.ts';
import { errorText, isAbort } from '../core/errors.ts';
import type { InferenceServer } from '../core/inference.ts';
import type { PemTexts } from '../core/pem-files.ts';
import type { TritonUrl } from '../core/triton-url.ts';
import { addressesInUse, addressesOf, addressText, type TritonAddress } from './triton-address.ts';
import { TritonClient, type TritonClientOptions } from './triton-client.ts';
import { awayReason } from './triton-failures.ts';
import { lookUpName } from './triton-names.ts';

/**
 * `ready`: asked for requests. `busy`: it lives but says that it is not ready, because a model is being loaded or is broken; models that
 * are there answer. `away`: it cannot be reached, says that it ends, or does not answer.
 */
export type ServerState = InferenceServer['state'];

export interface PoolServer extends InferenceServer {
  readonly address: TritonAddress;
  readonly client: TritonClient;
}

export interface PoolOptions {
  readonly urls: readonly TritonUrl[];
  readonly client?: Omit<TritonClientOptions, 'tls'>;
  /** The certificates as they are now; absent: none are needed. */
  readonly tls?: () => Promise<PemTexts>;
  /** Addresses of a name; absent: the system's. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** A server is left within twice this and the time it may take to answer. */
const askEveryMs = 500;
const answerWithinMs = 1000;
const resolveEveryMs = 10_000;
const resolveAgainMs = 2000;
const lookUpWithinMs = 1000;
/** Questions without an answer before a connection is made anew: nothing else ends one whose other end is gone without a word. */
const reconnectAfter = 3;

interface Member extends PoolServer {
  state: ServerState;
  reason: string;
  readonly stop: AbortController;
  /** Ends the pause before the next question. */
  hurry: AbortController;
  silent: number;
  askedMs: number;
  upMs: number | undefined;
  /** Somebody asks it all the time. */
  watched: boolean;
}

/**
 * The servers of a configuration: each is asked all the time whether it is ready. Names are looked up again every 10 s, every 2 s while one
 * leads nowhere; what they no longer lead to is left, and of names with addresses of both families one. `changed` is called after every change of a server's state and for those that are left.
 */
export class TritonPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #ctx: Context;
  readonly #members = new Map<string, Member>();
  readonly #closed = new AbortController();
  readonly #loops = new Set<Promise<void>>();
  readonly #changed: (server: PoolServer, before: ServerState) => void;
  /** Addresses that names led to when they were last looked up. */
  readonly #found = new Map<string, readonly string[]>();
  /** All that the configuration leads to, by what is written there. */
  #addresses: readonly (readonly TritonAddress[])[] = [];
  /** Names that are being looked up: nothing ends that but the system. */
  readonly #looking = new Map<string, Promise<void>>();
  /** Names that cannot be looked up, and why. */
  readonly #unresolved = new Map<string, string>();
  #deaths = 0;
  #tls: PemTexts | undefined;
  /** Why certificates cannot be taken anew. */
  #tlsTrouble: string | undefined;

  constructor(options: PoolOptions, ctx: Context, changed: (server: PoolServer, before: ServerState) => void) {
    this.#options = options;
    this.#ctx = ctx;
    this.#changed = changed;
  }

  /** Resolves when every server has been asked once. Rejects with what is wrong with certificates. */
  async start(): Promise<void> {
    this.#tls = await this.#options.tls?.();
    await this.#resolve();
    const signal = AbortSignal.any([this.#closed.signal, this.#ctx.signal]);
    this.#track(this.#resolveAgain(signal));
    await Promise.all([...this.#members.values()].map((member) => this.#ask(member)));
    this.#enlist();
    this.#watchAll();
  }

  get servers(): readonly PoolServer[] {
    return [...this.#members.values()];
  }

  /** Names without an address that leads anywhere, as servers that are away. */
  get unresolved(): readonly InferenceServer[] {
    return [...this.#unresolved]
      .filter(([host]) => !this.servers.some(({ address }) => address.host === host))
      .map(([name, reason]) => ({ name, state: 'away', reason }));
  }

  /** Times that a server which had been there was lost. */
  get deaths(): number {
    return this.#deaths;
  }

  /** `10.0.0.7:8001 is away (connect ECONNREFUSED), …` */
  text(): string {
    const servers = this.servers.map(({ name, state, reason }) => `${name} is ${state}${reason === '' ? '' : ` (${reason})`}`);
    return [...servers, ...this.#unresolved.values()].join(', ');
  }

  /** A request to it failed in a way that says it is gone: left at once, asked at once. False where that was known. */
  lost(server: PoolServer, reason: string): boolean {
    const member = this.#members.get(server.name);
    if (member === undefined || member !== server) return false;
    const isNews = member.state !== 'away';
    this.#set(member, 'away', reason);
    member.hurry.abort();
    return isNews;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    for (const member of this.#members.values()) {
      member.stop.abort();
      member.client[Symbol.dispose]();
    }
    await Promise.all(this.#loops);
  }

  #track(loop: Promise<void>): void {
    this.#loops.add(loop);
    void loop.finally(() => this.#loops.delete(loop));
  }

  async #resolveAgain(signal: AbortSignal): Promise<void> {
    if (this.#options.urls.every(({ host }) => isIP(host) !== 0)) return;
    while (!signal.aborted) {
      try {
        await this.#ctx.clock.sleep(this.#unresolved.size > 0 ? resolveAgainMs : resolveEveryMs, signal);
        await this.#resolve();
        this.#watchAll();
      } catch (error) {
        if (!isAbort(error)) this.#ctx.log.error({ err: error }, 'addresses of triton servers cannot be looked up');
      }
    }
  }

  async #resolve(): Promise<void> {
    this.#addresses = await Promise.all(this.#options.urls.map((url) => this.#lookUp(url)));
    this.#enlist();
  }

  /** Takes up the addresses that are servers and leaves all others. */
  #enlist(): void {
    if (this.#closed.signal.aborted) return;
    const seen = (address: TritonAddress) => this.#members.get(addressText(address));
    const known = new Set(this.#addresses.flat().map(addressText));
    const wanted = new Map<string, TritonAddress>();
    for (const address of this.#addresses.flatMap((addresses) => addressesInUse(addresses, seen)))
      wanted.set(addressText(address), address);
    for (const [name, member] of this.#members) if (!wanted.has(name)) this.#drop(member, known.has(name));
    for (const [name, address] of wanted) {
      if (this.#members.has(name)) continue;
      const tls = this.#tls;
      const client = new TritonClient(address, { ...this.#options.client, ...(tls === undefined ? {} : { tls }) });
      this.#members.set(name, {
        name,
        address,
        client,
        state: 'unknown',
        reason: 'not asked yet',
        stop: new AbortController(),
        hurry: new AbortController(),
        silent: 0,
        askedMs: Number.NEGATIVE_INFINITY,
        upMs: undefined,
        watched: false,
      });
    }
  }

  /** `again`: the same machine is asked by another of its addresses, nothing is lost. */
  #drop(member: Member, again: boolean): void {
    const before = member.state;
    this.#members.delete(member.name);
    member.stop.abort();
    if (again) {
      member.state = 'away';
      member.reason = 'its name leads to the same place by other addresses';
      this.#ctx.log.info({ server: member.name }, 'triton server is asked by other addresses of its name');
    } else this.#set(member, 'away', 'its name leads elsewhere now');
    if (again || before === 'away') this.#changed(member, before);
    member.client[Symbol.dispose]();
  }

  #watchAll(): void {
    for (const member of this.#members.values()) {
      if (member.watched) continue;
      member.watched = true;
      this.#track(this.#watch(member));
    }
  }

  /** A name that cannot be looked up, or takes long, keeps the addresses it had. */
  async #lookUp(url: TritonUrl): Promise<readonly TritonAddress[]> {
    const { host } = url;
    if (isIP(host) !== 0) return addressesOf(url, [host]);
    let looked = this.#looking.get(host);
    if (looked === undefined) {
      looked = this.#askName(host).finally(() => this.#looking.delete(host));
      this.#looking.set(host, looked);
    }
    using limit = this.#ctx.clock.deadline(lookUpWithinMs);
    const late = aborted(limit.signal);
    await Promise.race([looked, late]);
    if (!this.#found.has(host) && !this.#unresolved.has(host)) this.#unresolved.set(host, `${host} is still being looked up`);
    return addressesOf(url, this.#found.get(host) ?? []);
  }

  async #askName(host: string): Promise<void> {
    try {
      this.#found.set(host, await (this.#options.resolve ?? lookUpName)(host));
      this.#unresolved.delete(host);
    } catch (error) {
      if (!this.#unresolved.has(host)) this.#ctx.log.warn({ host, err: error }, 'triton server has no address');
      this.#unresolved.set(host, errorText(error));
    }
  }

  async #watch(member: Member): Promise<void> {
    const signal = AbortSignal.any([member.stop.signal, this.#closed.signal, this.#ctx.signal]);
    const backoff = new Backoff({ firstMs: 100, maxMs: askEveryMs });
    while (!signal.aborted) {
      const pauseMs = member.state === 'away' ? backoff.next() : askEveryMs;
      if (member.state !== 'away') backoff.reset();
      member.hurry = new AbortController();
      await this.#ctx.clock.sleep(pauseMs, AbortSignal.any([signal, member.hurry.signal])).catch(() => {});
      if (signal.aborted) return;
      await this.#ask(member);
      this.#enlist();
      this.#watchAll();
    }
  }

  async #ask(member: Member): Promise<void> {
    const askedMs = this.#ctx.clock.mono();
    try {
      const ready = await member.client.ready({ timeoutMs: answerWithinMs, signal: member.stop.signal });
      member.silent = 0;
      member.askedMs = askedMs;
      member.upMs ??= askedMs;
      this.#set(member, ready ? 'ready' : 'busy', ready ? '' : 'a model is being loaded or is broken');
    } catch (error) {
      if (member.stop.signal.aborted || this.#closed.signal.aborted) return;
      member.silent += 1;
      member.askedMs = askedMs;
      member.upMs = undefined;
      this.#set(member, 'away', awayReason(error));
      if (member.silent % reconnectAfter !== 0) return;
      await this.#renewTls();
      if (!member.stop.signal.aborted && !this.#closed.signal.aborted) member.client.reconnect(this.#tls);
    }
  }

  /** Certificates may have been replaced, here or there. What cannot be used is said once, and those before are kept. */
  async #renewTls(): Promise<void> {
    try {
      this.#tls = await this.#options.tls?.();
      this.#tlsTrouble = undefined;
    } catch (error) {
      const reason = errorText(error);
      if (reason !== this.#tlsTrouble) this.#ctx.log.error({ reason }, 'certificates for triton servers cannot be read anew');
      this.#tlsTrouble = reason;
    }
  }

  #set(member: Member, state: ServerState, reason: string): void {
    const before = member.state;
    member.state = state;
    member.reason = reason;
    if (before === state) return;
    if (state === 'away' && before !== 'unknown') this.#deaths += 1;
    const fields = { server: member.name, reason };
    if (state === 'ready') this.#ctx.log.info({ server: member.name }, 'triton server is ready');
    else if (state === 'busy') this.#ctx.log.info(fields, 'triton server is not ready');
    else this.#ctx.log.warn(fields, 'triton server is away');
    this.#changed(member, before);
  }
}

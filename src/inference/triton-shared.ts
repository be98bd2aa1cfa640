import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../core/context.ts';
import { descriptorsText, errorText, isSystemError } from '../core/errors.ts';
import type { Tensor } from '../core/inference.ts';
import type { TritonClient } from './triton-client.ts';
import { failureKind, firstLine, grpcCodes, TritonStatus } from './triton-failures.ts';
import type { InferRequest } from './triton-wire.ts';

/**
 * Tensors for a server on this machine, through /dev/shm instead of the message. A POSIX region `/x` is the file `/dev/shm/x`
 * (shm_overview(7)), so writing needs no native code. Works where server and client share /dev/shm; elsewhere registering fails and
 * tensors go in messages as ever. A file loses its name as soon as the server has it mapped: what is killed leaves none behind.
 */

/** Below this a message is as fast. */
const smallestBytes = 64 * 1024;
const slotsPerRegion = 8;
/** Of all regions for one server. */
const mostBytes = 512 * 2 ** 20;
/** After a request whose end is not known the server may still read its slot. */
const quarantineMs = 10_000;
const settings = { timeoutMs: 2000 };
/** A server that still runs a request says that its region is in use. */
const unregisterTries = 10;
const unregisterPauseMs = 200;

interface Region {
  /** Never used twice: a server that has the name already has it from us, with this file. */
  readonly name: string;
  readonly file: string;
  readonly descriptor: number;
  readonly slotBytes: number;
  /** When each slot is free: 0 for now, Infinity while it is used. */
  readonly freeAtMs: number[];
  /** `unsure`: the server, which had it, may be another one by now. */
  state: 'unregistered' | 'unsure' | 'asking' | 'registered';
  /** The last question to the server about it; absent: the server has never heard of it. */
  asked?: Promise<void>;
}

/** What of the client it takes. */
type Registrar = Pick<TritonClient, 'registerSharedMemory' | 'unregisterSharedMemory' | 'sharedMemoryStatus'>;

export interface Placed {
  readonly inputs: InferRequest['inputs'];
  /** The server has answered. */
  done(): void;
  failed(error: unknown): void;
}

export class SharedTensors implements AsyncDisposable {
  readonly #client: Registrar;
  readonly #server: string;
  readonly #ctx: Context;
  readonly #folder: string;
  /** By the bytes of a slot. */
  readonly #regions = new Map<number, Region>();
  readonly #leaving = new Set<Promise<void>>();
  #refused = false;
  #closed = false;

  /** `folder` is where regions are files. */
  constructor(client: Registrar, server: string, ctx: Context, folder = '/dev/shm') {
    this.#client = client;
    this.#server = server;
    this.#ctx = ctx;
    this.#folder = folder;
  }

  /** Writes large inputs to free slots; undefined when none of them could be. The first of a size goes in its message. */
  place(inputs: readonly Tensor[]): Placed | undefined {
    if (this.#refused || this.#closed) return undefined;
    const taken: { readonly region: Region; readonly slot: number }[] = [];
    const placed: InferRequest['inputs'][number][] = [];
    for (const input of inputs) {
      const { buffer, byteOffset, byteLength } = input.data;
      const place = byteLength < smallestBytes ? undefined : this.#slot(byteLength);
      if (this.#refused) return undefined;
      if (place === undefined) {
        placed.push(input);
        continue;
      }
      const { region, slot } = place;
      const offset = slot * region.slotBytes;
      const failure = written(region.descriptor, new Uint8Array(buffer, byteOffset, byteLength), offset);
      if (failure !== undefined) {
        this.#refuse(failure);
        return undefined;
      }
      region.freeAtMs[slot] = Number.POSITIVE_INFINITY;
      taken.push(place);
      placed.push({ ...input, shared: { region: region.name, offset, byteSize: byteLength } });
    }
    if (taken.length === 0) return undefined;
    const free = (atMs: number) => {
      for (const { region, slot } of taken) region.freeAtMs[slot] = atMs;
    };
    return {
      inputs: placed,
      done: () => free(0),
      failed: (error) => {
        const kind = failureKind(error);
        const certain = error instanceof TritonStatus && kind !== 'late' && kind !== 'reset' && kind !== 'server';
        free(certain ? 0 : this.#ctx.clock.mono() + quarantineMs);
        // A file without a name cannot be registered again.
        if (kind === 'no-region') for (const { region } of taken) this.#leave(region);
      },
    };
  }

  /** The server is away: one that was started anew has forgotten all regions and may be asked again for what it refused. */
  forgotten(): void {
    this.#refused = false;
    for (const region of this.#regions.values()) if (region.state === 'registered') region.state = 'unsure';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const region of this.#regions.values()) this.#leave(region);
    await Promise.all(this.#leaving);
  }

  #slot(bytes: number): { readonly region: Region; readonly slot: number } | undefined {
    const slotBytes = Math.max(smallestBytes, 2 ** Math.ceil(Math.log2(bytes)));
    const region = this.#regions.get(slotBytes) ?? this.#make(slotBytes);
    if (region === undefined) return undefined;
    if (region.state === 'unregistered' || region.state === 'unsure') region.asked = this.#ask(region, region.state);
    if (region.state !== 'registered') return undefined;
    const nowMs = this.#ctx.clock.mono();
    const slot = region.freeAtMs.findIndex((atMs) => atMs <= nowMs);
    return slot < 0 ? undefined : { region, slot };
  }

  #make(slotBytes: number): Region | undefined {
    const made = [...this.#regions.values()].reduce((sum, region) => sum + slotsPerRegion * region.slotBytes, 0);
    if (this.#refused || made + slotsPerRegion * slotBytes > mostBytes) return undefined;
    const name = `sightline-${randomUUID()}`;
    const file = join(this.#folder, name);
    try {
      const descriptor = openSync(file, 'wx+', 0o600);
      const freeAtMs = new Array<number>(slotsPerRegion).fill(0);
      const region: Region = { name, file, descriptor, slotBytes, freeAtMs, state: 'unregistered' };
      this.#regions.set(slotBytes, region);
      ftruncateSync(descriptor, slotsPerRegion * slotBytes);
      return region;
    } catch (error) {
      this.#refuse(failureText(error));
      return undefined;
    }
  }

  /** Makes sure that the server has the region; when the server has lost it, the region goes and the next request makes another. */
  async #ask(region: Region, before: 'unregistered' | 'unsure'): Promise<void> {
    region.state = 'asking';
    try {
      if (before === 'unregistered') await this.#register(region);
      else if (!(await this.#known(region))) {
        this.#leave(region);
        return;
      }
      region.state = 'registered';
    } catch (error) {
      region.state = before;
      if (!(error instanceof TritonStatus)) return;
      if (error.status !== grpcCodes.unavailable && error.status !== grpcCodes.deadlineExceeded)
        this.#refuse(firstLine(error.message));
    }
  }

  async #register(region: Region): Promise<void> {
    try {
      await this.#client.registerSharedMemory(region.name, `/${region.name}`, slotsPerRegion * region.slotBytes, settings);
    } catch (error) {
      // An earlier try came through after its time.
      if (!(error instanceof TritonStatus) || error.status !== grpcCodes.alreadyExists) throw error;
    }
    rmSync(region.file, { force: true });
  }

  async #known({ name }: Region): Promise<boolean> {
    const regions = await this.#client.sharedMemoryStatus(settings);
    return regions.some((region) => region.name === name);
  }

  /** Nothing is written to it any more, and the server is told to let go of it. */
  #leave(region: Region): void {
    if (this.#regions.get(region.slotBytes) !== region) return;
    this.#regions.delete(region.slotBytes);
    closeSync(region.descriptor);
    rmSync(region.file, { force: true });
    if (region.asked === undefined) return;
    const leaving = this.#unregister(region, region.asked).finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  async #unregister({ name }: Region, asked: Promise<void>): Promise<void> {
    await asked;
    // Not with the process's signal: most regions are left when the process stops.
    const { signal } = new AbortController();
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#client.unregisterSharedMemory(name, settings);
        return;
      } catch (error) {
        // Any other failure: the server is gone, or never took the region.
        if (!(error instanceof TritonStatus) || error.status !== grpcCodes.internal) return;
        if (tries === unregisterTries) {
          const fields = { server: this.#server, reason: firstLine(error.message) };
          this.#ctx.log.warn(fields, 'triton keeps a region of shared memory until it is started anew');
          return;
        }
      }
      await this.#ctx.clock.sleep(unregisterPauseMs, signal);
    }
  }

  /** Its memory is given back too: others need what is scarce. */
  #refuse(reason: string): void {
    if (!this.#refused)
      this.#ctx.log.warn({ server: this.#server, reason }, 'no shared memory with triton; tensors go in messages');
    this.#refused = true;
    for (const region of this.#regions.values()) this.#leave(region);
  }
}

const noRoom = 'no room is left in /dev/shm; make it larger (Docker: --shm-size, Compose: shm_size)';

/** The file's length reserves nothing, so a write may find no room. What then is wrong; undefined when all was written. */
function written(descriptor: number, data: Uint8Array, offset: number): string | undefined {
  try {
    return writeSync(descriptor, data, 0, data.length, offset) === data.length ? undefined : noRoom;
  } catch (error) {
    return failureText(error);
  }
}

function failureText(error: unknown): string {
  return isSystemError(error, 'ENOSPC') ? noRoom : (descriptorsText(error) ?? errorText(error));
}

import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import type { Context } from '../core/context.ts';
import { errorText } from '../core/errors.ts';
import type { Tensor } from '../core/inference.ts';
import type { TritonClient } from './triton-client.ts';
import { failureKind, firstLine, grpcCodes, TritonStatus } from './triton-failures.ts';
import type { InferRequest } from './triton-wire.ts';

/**
 * Tensors for a server on this machine, through /dev/shm instead of the message. A POSIX region `/x` is the file `/dev/shm/x`
 * (shm_overview(7)), so writing needs no native code. Works where server and client share /dev/shm; elsewhere registering fails and
 * tensors go in messages as ever.
 */

/** Below this a message is as fast. */
const smallestBytes = 64 * 1024;
const slotsPerRegion = 8;
/** Of all regions for one server. */
const mostBytes = 512 * 2 ** 20;
/** After a request whose end is not known the server may still read its slot. */
const quarantineMs = 10_000;
const registerWithinMs = 2000;
const unregisterTries = 5;

interface Region {
  readonly name: string;
  readonly file: string;
  readonly descriptor: number;
  readonly slotBytes: number;
  /** When each slot is free: 0 for now, Infinity while it is used. */
  readonly freeAtMs: number[];
  state: 'unregistered' | 'registering' | 'registered';
}

export interface Placed {
  readonly inputs: InferRequest['inputs'];
  /** The server has answered. */
  done(): void;
  failed(error: unknown): void;
}

let regionsMade = 0;

export class SharedTensors implements AsyncDisposable {
  readonly #client: TritonClient;
  readonly #server: string;
  readonly #ctx: Context;
  readonly #regions = new Map<number, Region>();
  #refused = false;

  constructor(client: TritonClient, server: string, ctx: Context) {
    this.#client = client;
    this.#server = server;
    this.#ctx = ctx;
  }

  /** Writes large inputs to free slots; undefined when none of them could be. The first of a size goes in its message. */
  place(inputs: readonly Tensor[]): Placed | undefined {
    if (this.#refused) return undefined;
    const taken: { readonly region: Region; readonly slot: number }[] = [];
    const placed = inputs.map((input) => {
      const place = input.data.byteLength < smallestBytes ? undefined : this.#slot(input.data.byteLength);
      if (place === undefined) return input;
      const { region, slot } = place;
      const offset = slot * region.slotBytes;
      const { buffer, byteOffset, byteLength } = input.data;
      writeSync(region.descriptor, new Uint8Array(buffer, byteOffset, byteLength), 0, byteLength, offset);
      region.freeAtMs[slot] = Number.POSITIVE_INFINITY;
      taken.push(place);
      return { ...input, shared: { region: region.name, offset, byteSize: byteLength } };
    });
    if (taken.length === 0) return undefined;
    const free = (atMs: number) => {
      for (const { region, slot } of taken) region.freeAtMs[slot] = atMs;
    };
    return {
      inputs: placed,
      done: () => free(0),
      failed: (error) => {
        const kind = failureKind(error);
        const certain = error instanceof TritonStatus && kind !== 'late' && kind !== 'cancelled' && kind !== 'server';
        free(certain ? 0 : this.#ctx.clock.mono() + quarantineMs);
        if (kind === 'no-region') for (const { region } of taken) region.state = 'unregistered';
      },
    };
  }

  /** A server that was started anew has forgotten all regions. */
  forgotten(): void {
    this.#refused = false;
    for (const region of this.#regions.values()) if (region.state === 'registered') region.state = 'unregistered';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#refused = true;
    const regions = [...this.#regions.values()];
    this.#regions.clear();
    await Promise.all(regions.map((region) => this.#unregister(region)));
    for (const region of regions) {
      closeSync(region.descriptor);
      rmSync(region.file, { force: true });
    }
  }

  /** Right after a run the server may say that a region is still in use. */
  async #unregister(region: Region): Promise<void> {
    if (region.state !== 'registered') return;
    for (let tries = 0; tries < unregisterTries; tries += 1) {
      try {
        await this.#client.unregisterSharedMemory(region.name, { timeoutMs: registerWithinMs });
        return;
      } catch (error) {
        if (!(error instanceof TritonStatus) || error.status !== grpcCodes.internal) return;
      }
    }
  }

  #slot(bytes: number): { readonly region: Region; readonly slot: number } | undefined {
    const slotBytes = Math.max(smallestBytes, 2 ** Math.ceil(Math.log2(bytes)));
    const region = this.#regions.get(slotBytes) ?? this.#make(slotBytes);
    if (region === undefined) return undefined;
    if (region.state === 'unregistered') void this.#register(region);
    if (region.state !== 'registered') return undefined;
    const nowMs = this.#ctx.clock.mono();
    const slot = region.freeAtMs.findIndex((atMs) => atMs <= nowMs);
    return slot < 0 ? undefined : { region, slot };
  }

  #make(slotBytes: number): Region | undefined {
    const made = [...this.#regions.values()].reduce((sum, region) => sum + slotsPerRegion * region.slotBytes, 0);
    if (made + slotsPerRegion * slotBytes > mostBytes) return undefined;
    regionsMade += 1;
    const name = `sightline-${process.pid}-${regionsMade}`;
    const file = `/dev/shm/${name}`;
    try {
      const descriptor = openSync(file, 'wx+', 0o600);
      ftruncateSync(descriptor, slotsPerRegion * slotBytes);
      const freeAtMs = new Array<number>(slotsPerRegion).fill(0);
      const region: Region = { name, file, descriptor, slotBytes, freeAtMs, state: 'unregistered' };
      this.#regions.set(slotBytes, region);
      return region;
    } catch (error) {
      this.#refuse(errorText(error));
      return undefined;
    }
  }

  async #register(region: Region): Promise<void> {
    region.state = 'registering';
    const bytes = slotsPerRegion * region.slotBytes;
    try {
      await this.#client.registerSharedMemory(region.name, `/${region.name}`, bytes, { timeoutMs: registerWithinMs });
      region.state = 'registered';
    } catch (error) {
      region.state = 'unregistered';
      if (!(error instanceof TritonStatus)) return;
      if (error.status === grpcCodes.alreadyExists) region.state = 'registered';
      else if (error.status !== grpcCodes.unavailable && error.status !== grpcCodes.deadlineExceeded)
        this.#refuse(firstLine(error.message));
    }
  }

  #refuse(reason: string): void {
    if (this.#refused) return;
    this.#refused = true;
    this.#ctx.log.warn({ server: this.#server, reason }, 'triton takes no shared memory; tensors go in messages');
  }
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { frameMessage } from '../../src/core/framing.ts';
import { MediaMessage, Variant } from '../../src/gen/sightline/media/v1/media.ts';
import type { Encoded } from './encoded.ts';

/** A worker as the media door sees it: the real socket, the real wire. */

export interface SentUnit {
  readonly camera: string;
  readonly epoch: number;
  readonly variant?: 'clean' | 'annotated';
  readonly key: boolean;
  readonly pts: bigint;
  readonly dts?: bigint;
  readonly captureMs: number;
  readonly nals: readonly Uint8Array[];
}

export interface MediaWorker extends Disposable {
  readonly socket: Socket;
  send(message: MediaMessage['message']): void;
  format(
    camera: string,
    epoch: number,
    encoded: Pick<Encoded, 'codec' | 'width' | 'height'>,
    variant?: 'clean' | 'annotated',
    revision?: string,
  ): void;
  unit(unit: SentUnit): void;
  readonly closed: Promise<void>;
}

export function annexB(nals: readonly Uint8Array[]): Buffer {
  return Buffer.concat(nals.flatMap((nal) => [Buffer.of(0, 0, 0, 1), nal]));
}

export function framed(message: MediaMessage['message']): Uint8Array {
  return frameMessage(MediaMessage.encode({ message }).finish());
}

const variantOf = { clean: Variant.CLEAN, annotated: Variant.ANNOTATED } as const;

/** Connects and says hello. */
export async function connectMediaWorker(socketPath: string, worker: string, token: string): Promise<MediaWorker> {
  const socket = connect(socketPath);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  await once(socket, 'connect');
  const send = (message: MediaMessage['message']) => void socket.write(framed(message));
  send({ $case: 'hello', value: { protocolVersion: 1, worker, token } });
  return {
    socket,
    send,
    format: (camera, epoch, { codec, width, height }, variant = 'clean', revision = '') =>
      send({
        $case: 'format',
        value: { camera, epoch, variant: variantOf[variant], codec, width, height, parameterSets: Buffer.alloc(0), revision },
      }),
    unit: ({ camera, epoch, variant = 'clean', key, pts, dts = pts, captureMs, nals }) =>
      send({
        $case: 'unit',
        value: {
          camera,
          epoch,
          variant: variantOf[variant],
          key,
          pts,
          dts,
          captureTimeUs: BigInt(Math.round(captureMs * 1000)),
          receivedMonoUs: 0n,
          data: annexB(nals),
        },
      }),
    closed,
    [Symbol.dispose]: () => socket.destroy(),
  };
}

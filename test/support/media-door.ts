import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { MessageSplitter } from '../../src/core/framing.ts';
import { type Format, type MediaHello, MediaMessage, type Unit, Variant } from '../../src/gen/sightline/media/v1/media.ts';
import { temporaryDirectory } from './directory.ts';

/** A media door's end of media.sock: takes everything, answers nothing, keeps all it is told. */
export interface TestDoor extends AsyncDisposable {
  readonly socketPath: string;
  /** One for each connection. */
  readonly hellos: readonly MediaHello[];
  /** Every message behind a Hello, in order of arrival, with the number of its connection. */
  readonly said: readonly DoorSaid[];
  units(camera: string, variant: 'clean' | 'annotated'): readonly DoorUnit[];
  formats(camera: string, variant: 'clean' | 'annotated'): readonly Format[];
  /** Goes away: connections end, the socket is gone. */
  leave(): Promise<void>;
  /** Listens (again). */
  listen(): Promise<void>;
  /** Stops reading, as a door that hangs. */
  pause(): void;
  resume(): void;
}

export interface DoorSaid {
  readonly connection: number;
  readonly atMs: number;
  readonly message: { readonly format: Format } | { readonly unit: Unit };
}

/** With the format that stood last before it on its connection. */
export interface DoorUnit extends Unit {
  readonly format: Format | undefined;
  readonly connection: number;
  /** `performance.now` at arrival. */
  readonly atMs: number;
}

export async function startTestDoor(): Promise<TestDoor> {
  const directory = await temporaryDirectory();
  const socketPath = join(directory.path, 'media.sock');
  const hellos: MediaHello[] = [];
  const said: DoorSaid[] = [];
  const sockets = new Set<Socket>();
  let server: Server | undefined;

  function serve(socket: Socket): void {
    sockets.add(socket);
    const splitter = new MessageSplitter();
    let connection = -1;
    socket.on('data', (chunk) => {
      for (const bytes of splitter.push(chunk)) {
        const message = MediaMessage.decode(bytes).message;
        const atMs = performance.now();
        if (message?.$case === 'hello') connection = hellos.push(message.value) - 1;
        else if (message?.$case === 'format') said.push({ connection, atMs, message: { format: message.value } });
        else if (message?.$case === 'unit') said.push({ connection, atMs, message: { unit: message.value } });
        else throw new Error('the worker sent an empty message');
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  }

  async function listen(): Promise<void> {
    server = createServer(serve);
    server.listen(socketPath);
    await once(server, 'listening');
  }

  async function leave(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    const closing = server;
    server = undefined;
    if (closing === undefined) return;
    closing.close();
    await once(closing, 'close');
  }

  function units(camera: string, variant: 'clean' | 'annotated'): readonly DoorUnit[] {
    const wanted = variant === 'clean' ? Variant.CLEAN : Variant.ANNOTATED;
    const formats = new Map<number, Format>();
    return said.flatMap(({ connection, atMs, message }) => {
      const about = 'unit' in message ? message.unit : message.format;
      if (about.camera !== camera || about.variant !== wanted) return [];
      if ('format' in message) formats.set(connection, message.format);
      return 'unit' in message ? [{ ...message.unit, format: formats.get(connection), connection, atMs }] : [];
    });
  }

  await listen();
  return {
    socketPath,
    hellos,
    said,
    units,
    formats: (camera, variant) =>
      said.flatMap(({ message }) =>
        'format' in message &&
        message.format.camera === camera &&
        message.format.variant === (variant === 'clean' ? Variant.CLEAN : Variant.ANNOTATED)
          ? [message.format]
          : [],
      ),
    leave,
    listen,
    pause: () => {
      for (const socket of sockets) socket.pause();
    },
    resume: () => {
      for (const socket of sockets) socket.resume();
    },
    [Symbol.asyncDispose]: async () => {
      await leave();
      await directory[Symbol.asyncDispose]();
    },
  };
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import { isAbort } from '../core/errors.ts';

/**
 * Where an RTSP server sends its readers. FFmpeg follows redirects without a limit and says no more of a refused one than "invalid
 * argument", so a server that keeps an open waiting is asked once more, beside it.
 */

const redirectLimit = 5;
const schemes: Readonly<Record<string, { readonly port: number; readonly tls: boolean }>> = {
  rtsp: { port: 554, tls: false },
  rtsps: { port: 322, tls: true },
};
const headLimitBytes = 64 * 1024;

/**
 * What is wrong with the redirects of `url`, in words without credentials; undefined when nothing is, or the server does not say.
 * `alone`: FFmpeg is not at work with the server. Otherwise DESCRIBE is not asked, which would make some prepare their video once more.
 */
async function wrongRedirects(url: string, alone: boolean, signal: AbortSignal): Promise<string | undefined> {
  let at: string | undefined = url;
  for (let followed = 0; followed <= redirectLimit; followed += 1) {
    const [, scheme = '', host = '', port] =
      /^([a-z][a-z0-9+.-]*):(?:\/\/(?:[^@/]*@)?(\[[^\]]*\]|[^:/?#]*)(?::(\d+))?)?/i.exec(at) ?? [];
    const known = schemes[scheme.toLowerCase()];
    if (known === undefined)
      return `it redirects to ${scheme === '' ? 'no address' : `${scheme}:`}, and only rtsp: and rtsps: are followed`;
    const name = host.replace(/^\[|\]$/g, '');
    const number = Number(port ?? known.port);
    if (name === '' || number > 65_535) return undefined;
    at = await redirectOf(
      at.replace(/\/\/[^@/]*@/, '//'),
      { ...known, host: name, port: number },
      alone ? ['OPTIONS', 'DESCRIBE'] : ['OPTIONS'],
      signal,
    );
    if (at === undefined) return undefined;
  }
  return `it redirects more than ${redirectLimit} times`;
}

/** A camera that takes longer to answer is asked where it redirects to. */
const slowMs = 500;

/** Where `url` redirects to, looked at while it is being opened. */
export interface RedirectWatch {
  /** What is wrong with it, once that is known. */
  readonly astray: string | undefined;
  /** Looks now; FFmpeg must not be at work with the server. */
  look(): Promise<void>;
  /** Looks beside FFmpeg when the open takes long. Resolves when that is over, or after `stop`. */
  lookWhenSlow(): Promise<void>;
  stop(): void;
}

/** `onAstray`: redirects were found that must not be followed. */
export function watchRedirects(
  url: string,
  clock: Pick<Clock, 'sleep'>,
  end: AbortSignal,
  onAstray: () => void,
): RedirectWatch {
  const stopped = new AbortController();
  const signal = AbortSignal.any([end, stopped.signal]);
  let astray: string | undefined;
  async function look(alone: boolean): Promise<void> {
    astray ??= await wrongRedirects(url, alone, signal);
    if (astray !== undefined) onAstray();
  }
  return {
    get astray() {
      return astray;
    },
    look: () => look(true),
    lookWhenSlow: async () => {
      try {
        await clock.sleep(slowMs, signal);
      } catch (error) {
        if (isAbort(error) || signal.aborted) return;
        throw error;
      }
      await look(false);
    },
    stop: () => stopped.abort(),
  };
}

interface Server {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** The address that the server answers one of the methods with; undefined when it does not redirect, or does not answer. */
async function redirectOf(
  url: string,
  { host, port, tls }: Server,
  methods: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  // As FFmpeg does, which reads the video: cameras make their certificates themselves.
  const socket: Socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port });
  const gone = new AbortController();
  const end = AbortSignal.any([signal, gone.signal]);
  socket.on('error', () => gone.abort()).on('close', () => gone.abort());
  try {
    await once(socket, tls ? 'secureConnect' : 'connect', { signal: end });
    for (const [index, method] of methods.entries()) {
      socket.write(`${method} ${url} RTSP/1.0\r\nCSeq: ${index + 1}\r\nUser-Agent: Sightline\r\n\r\n`);
      const head = await answerHead(socket, end);
      const [, status] = /^RTSP\/1\.\d (\d{3})/.exec(head) ?? [];
      if (status?.startsWith('3') === true) return /^location: *(\S+)/im.exec(head)?.[1];
      if (status !== '200') return undefined;
    }
    return undefined;
  } catch {
    // What keeps it from answering is FFmpeg's to meet, and to say.
    return undefined;
  } finally {
    socket.destroy();
  }
}

/** Up to the empty line; OPTIONS has no body. */
async function answerHead(socket: Socket, signal: AbortSignal): Promise<string> {
  let head = '';
  while (!head.includes('\r\n\r\n')) {
    const [chunk]: Buffer[] = await once(socket, 'data', { signal });
    head += chunk?.toString('latin1') ?? '';
    if (head.length > headLimitBytes) throw new RangeError('the head of an answer has no end');
  }
  return head;
}

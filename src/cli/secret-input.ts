import { usage } from './command.ts';

/** Passwords from whoever runs a command: never from its arguments, which everybody on the machine can read, and never shown. */

const longest = 1000;

export interface SecretSource extends AsyncIterable<Buffer | string> {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  on(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  off(event: 'data', listener: (chunk: Buffer | string) => void): unknown;
  off(event: 'end', listener: () => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

/** Typed twice at a terminal, else the first line. Rejects with `cli.usage` for none or two different ones. */
export async function readNewSecret(
  input: SecretSource,
  write: (text: string) => void,
  prompt: string,
  signal: AbortSignal,
): Promise<string> {
  if (input.isTTY !== true) return firstLine(input, prompt);
  const secret = await typed(input, write, `${prompt}: `, signal);
  if (secret === '') throw usage('nothing was typed');
  if ((await typed(input, write, `${prompt}, again: `, signal)) === secret) return secret;
  throw usage('the second was not the same as the first');
}

async function firstLine(input: SecretSource, prompt: string): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += chunk.toString();
    if (text.includes('\n') || text.length > longest) break;
  }
  const [line = ''] = text.split(/\r?\n/);
  if (line === '') throw usage(`no ${prompt} came on standard input; type it at a terminal or pipe it in`);
  return line;
}

function typed(input: SecretSource, write: (text: string) => void, prompt: string, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let characters: string[] = [];

  function take(chunk: Buffer | string): void {
    for (const character of chunk.toString()) {
      if (character === '\r' || character === '\n') resolve(characters.join(''));
      // Control-C; in raw mode the terminal makes no signal of it.
      else if (character === '\x03') reject(new DOMException('interrupted', 'AbortError'));
      else if (character === '\x04') resolve(characters.join(''));
      else if (character === '\x7f' || character === '\b') characters.pop();
      else if (character === '\x15') characters = [];
      else if (character >= ' ' && characters.length < longest) characters.push(character);
    }
  }
  const end = () => resolve(characters.join(''));
  const stop = () => reject(signal.reason);

  write(prompt);
  input.setRawMode?.(true);
  input.on('data', take);
  input.on('end', end);
  signal.addEventListener('abort', stop, { once: true });
  input.resume();
  return promise.finally(() => {
    input.off('data', take);
    input.off('end', end);
    signal.removeEventListener('abort', stop);
    input.setRawMode?.(false);
    input.pause();
    write('\n');
  });
}

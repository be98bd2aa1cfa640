import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * One GStreamer pipeline in a process of its own: polling the bus holds a thread of the pool for ever, pipelines leak when they
 * are made again, and a crash must cost no more than one source. The first line on stdin, JSON, holds the launch string (with
 * its passwords, so it is no argument); the end of stdin is the order to stop. Encoded video leaves by descriptor 3, written by
 * GStreamer itself; what the bus says of errors leaves as JSON lines on stdout.
 */
interface BusMessage {
  readonly type: string;
  readonly message?: string;
  readonly debug?: string;
  readonly _src_element_name: string;
}

interface Pipeline {
  play(): void;
  stop(): void;
  pollBus(callback: (message: BusMessage) => void): void;
}

interface Binding {
  readonly Pipeline: new (launch: string) => Pipeline;
}

function say(line: Readonly<Record<string, string>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function begin(launch: string): Pipeline {
  const { Pipeline: Launched } = createRequire(import.meta.url)('gstreamer-superficial') as Binding;
  const pipeline = new Launched(launch);
  let reached = false;
  // The binding stops polling after one message while the pipeline is in its first state, where it stays when a device cannot be
  // opened: it is asked again until the pipeline itself has said something.
  const take = (message: BusMessage): void => {
    reached ||= message._src_element_name.startsWith('pipeline');
    if (message.type === 'error') {
      reached = true;
      say({ kind: 'error', message: message.message ?? '', debug: message.debug ?? '' });
    } else if (message.type === 'eos') say({ kind: 'eos' });
    if (!reached) pipeline.pollBus(take);
  };
  pipeline.play();
  pipeline.pollBus(take);
  return pipeline;
}

let input = '';
let pipeline: Pipeline | undefined;
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  if (pipeline !== undefined) return;
  input += text;
  const end = input.indexOf('\n');
  if (end < 0) return;
  try {
    pipeline = begin(JSON.parse(input.slice(0, end)).launch);
  } catch (error) {
    say({ kind: 'refused', message: error instanceof Error ? error.message : String(error), debug: '' });
  }
});
/** The thread that polls the bus keeps any other way of leaving waiting for ever. */
function leave(): void {
  process.kill(process.pid, 'SIGKILL');
}

process.stdin.on('end', () => {
  // So that sessions with cameras are closed.
  pipeline?.stop();
  leave();
});
// The worker is gone, and with it whoever reads.
process.stdin.on('error', leave);
process.stdout.on('error', leave);
process.on('uncaughtException', (error) => {
  writeSync(2, `${error.stack}\n`);
  leave();
});

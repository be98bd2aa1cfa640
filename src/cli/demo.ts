import { resolve } from 'node:path';
import { type DemoEvent, type DemoRequest, type DemoView, maxDemoCameras } from '../core/demo.ts';
import {
  type Command,
  type CommandIo,
  type CommandServices,
  noPositionals,
  numberOption,
  parse,
  present,
  usage,
} from './command.ts';
import { colouredLines, plainLines } from './demo-text.ts';

export const demo: Command = {
  help: `Does its main job on a scene of its own: drawn characters walk through a lobby, and you are told of those who are listed.
Nothing behind the lens is simulated: RTSP camera, worker, detector, embedder, vector index, evidence, alerts, MQTT. It needs no
network, no camera and no broker, and leaves nothing behind.

Usage: sightline demo [options]
       sightline demo --watch NAME

  --cameras N    so many cameras, 1 to ${maxDemoCameras} (default 1), each at another place of the film
  --watch NAME   lists another character too; may be given several times. Alone, while a demo of yours runs, it lists NAME there (of
                 several in the newest) and ends. In a terminal you can also type the name and Enter
  --mqtt URL     your own broker instead of the embedded one, which listens on loopback only. Topics begin with sightline-demo/.
                 A password may be in the URL or, with a user in it, in MQTT_PASSWORD
  --keep DIR     works in DIR, which stays: configuration, watchlist, history, log, pictures. Another demo there goes on with them
  --loops N      each camera plays the film so many times, all in step; then the demo ends
  --scene DIR    another scene: a folder with lobby.mp4, cast.json, photos/NAME/ and perhaps its own demo.yaml
  --verbose      the whole log on stderr, not only in the file

Without a terminal stdout has one line for each alert and nothing else:
  alert time=14:03:05 name=Ada camera=lobby similarity=0.71 needs=0.40 told_after_s=0.92 list=watched id=... [late=yes] [picture=FILE]

Ctrl-C ends it. Exit codes: 0 ended when told to or after its loops, 1 could not begin or go on, 2 wrong usage.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      cameras: { type: 'string' },
      watch: { type: 'string', multiple: true },
      mqtt: { type: 'string' },
      keep: { type: 'string' },
      loops: { type: 'string' },
      scene: { type: 'string' },
      verbose: { type: 'boolean' },
    });
    noPositionals(positionals);
    const watch = values.watch ?? [];
    const request: DemoRequest = {
      cameras: numberOption(values.cameras, 'cameras', { min: 1, max: maxDemoCameras, whole: true }) ?? 1,
      watch,
      verbose: values.verbose ?? false,
      ...present({
        mqtt: values.mqtt,
        keep: directoryOption(values.keep, 'keep'),
        scene: directoryOption(values.scene, 'scene'),
        loops: numberOption(values.loops, 'loops', { min: 1, max: 1000, whole: true }),
      }),
    };
    const alone = Object.keys(values).every((option) => option === 'watch');
    if (alone && watch.length > 0 && (await listedInRunning(watch, io, services))) return 0;
    await (await services.demo()).run(request, viewOf(io));
    return 0;
  },
};

function directoryOption(text: string | undefined, name: string): string | undefined {
  // As with an unset variable in a script: it is not meant to be the directory one is in.
  if (text === '') throw usage(`--${name} is empty; it takes a directory`);
  return text === undefined ? undefined : resolve(text);
}

async function listedInRunning(names: readonly string[], io: CommandIo, services: CommandServices): Promise<boolean> {
  const running = await (await services.demo()).running();
  if (running === undefined) return false;
  const said = await running.watch(names, io.user);
  const where =
    running.of > 1 ? `several demos run; in that of process ${running.pid}` : `in the demo that runs, process ${running.pid}`;
  for (const line of said) io.say(`${line} (${where})`);
  return true;
}

function viewOf(io: CommandIo): DemoView {
  const { terminal, timeZone } = io;
  if (terminal === undefined) {
    return {
      show: (event: DemoEvent) => {
        const { out, say } = plainLines(event, timeZone);
        for (const line of out) io.out(line);
        for (const line of say) io.say(line);
      },
    };
  }
  const show = (event: DemoEvent) => {
    for (const line of colouredLines(event, { timeZone, columns: terminal.columns(), colours: terminal.colours }))
      terminal.write(line);
  };
  return { show, ...(terminal.lines === undefined ? {} : { names: terminal.lines(io.signal) }) };
}

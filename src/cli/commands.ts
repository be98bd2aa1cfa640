import type { Command } from './command.ts';

/** Every command by name; its code is loaded when it is asked for, so that `--help` is there at once. */
export interface CommandEntry {
  readonly summary: string;
  load(): Promise<Command>;
}

export const commands: Readonly<Record<string, CommandEntry>> = {
  demo: {
    summary: 'watch it do its main job: drawn characters, real parts, nothing to set up',
    load: async () => (await import('./demo.ts')).demo,
  },
  run: { summary: 'watch the cameras of a configuration file', load: async () => (await import('./run.ts')).run },
  check: {
    summary: 'say everything that is wrong with a configuration file',
    load: async () => (await import('./check.ts')).check,
  },
  render: {
    summary: 'print the files that DeepStream containers are started with',
    load: async () => (await import('./render.ts')).render,
  },
  doctor: {
    summary: 'whether this machine can do what a configuration asks of it, and what to do where not',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  status: {
    summary: 'what the running daemon and its cameras are doing',
    load: async () => (await import('./status.ts')).status,
  },
  alerts: { summary: 'follow, list and answer alerts', load: async () => (await import('./alerts.ts')).alerts },
  why: { summary: 'why nobody was told about somebody in view', load: async () => (await import('./why.ts')).why },
  enroll: { summary: 'put somebody on a list, by photos', load: async () => (await import('./enroll.ts')).enroll },
  watchlist: {
    summary: 'show, erase, export and import who is listed',
    load: async () => (await import('./watchlist.ts')).watchlist,
  },
  users: {
    summary: 'who may log in, and the passwords for streams',
    load: async () => (await import('./users.ts')).users,
  },
  models: {
    summary: 'get, add and check the weights of models',
    load: async () => (await import('./models.ts')).models,
  },
  triton: {
    summary: 'compare a Triton server with the model repository, and write a repository for one',
    load: async () => (await import('./triton.ts')).triton,
  },
  camera: {
    summary: 'look at a camera before it is configured: what comes, and whether its faces are worth comparing',
    load: async () => (await import('./camera.ts')).camera,
  },
  bench: {
    summary: 'how much a Triton server can do, and what cameras get of it',
    load: async () => (await import('./bench.ts')).bench,
  },
  reload: {
    summary: 'make the running daemon read its configuration again',
    load: async () => (await import('./reload.ts')).reload,
  },
};

export function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `sightline watches camera streams for listed people and says so while they are in view

Usage: sightline COMMAND [options]

${lines.join('\n')}

  --help, -h      this, or the help of a command: sightline COMMAND --help
  --version       the version

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration. Results go to stdout, everything else to stderr.`;
}

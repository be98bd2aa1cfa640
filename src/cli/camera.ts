import { resolve } from 'node:path';
import type { ProbeProgress } from '../core/probe.ts';
import { type Command, numberOption, onlyPositional, parse, present, usage } from './command.ts';
import { probeText } from './probe-text.ts';

const longestSeconds = 600;

export const camera: Command = {
  help: `Looks at a camera before it is configured: what comes, by whose clock, and whether its faces are worth comparing.

Usage: sightline camera probe URL [options]

  URL   what \`source\` of a camera may be: rtsp://, rtsps://, http(s)://, a file, gst:NAME. Credentials best as variables, in single quotes:
        sightline camera probe 'rtsp://\${CAM_USER}:\${CAM_PASSWORD}@10.0.0.21/stream1'

      --seconds N        watches this long (default 60, at most ${longestSeconds}); of a file so much is played, at full speed
      --transport T      tcp (default) or udp
      --detector NAME    face detector of the model repository (default: the configured one, else one that has weights)
      --fps N            frames a second that it looks at (default 5)
      --name NAME        key of the camera in the YAML
  -c, --config FILE      its engine and models are meant (default $SIGHTLINE_CONFIG; without one the program's own
                         repository, run here)
      --repository DIR   this model repository instead
      --json             one JSON object instead of text

The camera is opened once, by the worker that \`sightline run\` would open it with. Nothing is stored and nobody is compared with anybody.
Let somebody walk through the picture meanwhile. Ctrl-C ends it early and reports what was seen.

Exit codes: 0 there is video (the verdict says how good it is), 1 not reachable or no video, 2 wrong usage.`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      seconds: { type: 'string' },
      transport: { type: 'string' },
      detector: { type: 'string' },
      fps: { type: 'string' },
      name: { type: 'string' },
      config: { type: 'string', short: 'c' },
      repository: { type: 'string' },
      json: { type: 'boolean' },
    });
    const [verb, ...rest] = positionals;
    if (verb !== 'probe')
      throw usage(verb === undefined ? 'what to do is missing: probe' : `unexpected ${verb}; there is probe`);
    const { transport = 'tcp', name, detector, repository } = values;
    if (transport !== 'tcp' && transport !== 'udp') throw usage(`--transport ${transport} is not one of tcp, udp`);
    if (name !== undefined && !/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name))
      throw usage(`--name ${name} is not a name of 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit`);
    const config = values.config ?? io.env['SIGHTLINE_CONFIG'];
    const seconds = numberOption(values.seconds, 'seconds', { min: 1, max: longestSeconds }) ?? 60;
    const request = {
      source: onlyPositional(rest, 'URL'),
      seconds,
      transport,
      fps: numberOption(values.fps, 'fps', { min: 0.2, max: 60 }) ?? 5,
      ...present({
        name,
        detector,
        config: config === undefined ? undefined : resolve(config),
        repository: repository === undefined ? undefined : resolve(repository),
      }),
    } as const;
    try {
      const report = await services.probe(request, (progress) => io.progress?.(progressText(progress, seconds)));
      io.progress?.('');
      if (values.json === true) io.out(JSON.stringify(report));
      else for (const line of probeText(report)) io.out(line);
      return 0;
    } finally {
      io.progress?.('');
    }
  },
};

function progressText({ state, seconds, frames, faces }: ProbeProgress, ofSeconds: number): string {
  if (state === 'opening') return 'opening the camera';
  return `${Math.floor(seconds)} of ${ofSeconds} s, ${frames} frames, ${faces} looks at faces`;
}

import { parseArgs } from 'node:util';
import { hasMosquitto } from '../test/support/broker.ts';
import { missingTool } from '../test/support/data.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels } from '../test/support/repository.ts';
import { known } from './support/known.ts';
import { filmOf, type PictureName, pictures, type SceneName, scenes } from './support/media.ts';
import { runPath } from './support/path.ts';
import { progress, publish } from './support/table.ts';

const names = Object.keys(pictures) as PictureName[];
const usage = `usage: node bench/sizing.ts [--pictures ${names.join(',')}] [--seconds 20]

How many cores a camera of 25 frames a second takes, by codec, resolution and detector: processor time of the daemon and its worker for each
second of film, at five looks a second, everybody enrolled, software decoding. Films are played as fast as the machine can. Prints a table,
writes bench/results/sizing.json.`;

const { values } = parseArgs({
  options: {
    pictures: { type: 'string', default: names.join(',') },
    seconds: { type: 'string', default: '20' },
    help: { type: 'boolean' },
  },
});

const embedder = 'face_embed';
const kinds = [
  { scene: 'crowd', detector: 'centerface' },
  { scene: 'crowd', detector: 'yunet' },
  { scene: 'room', detector: 'centerface' },
] as const satisfies readonly { readonly scene: SceneName; readonly detector: string }[];

if (values.help) console.log(usage);
else {
  const missing =
    missingModels('centerface', 'yunet', embedder) ||
    missingTool(hasMosquitto, 'mosquitto') ||
    missingTool(installedProgram('ffmpeg'), 'ffmpeg');
  if (missing !== false) console.log(`sizing is not measured: ${missing}`);
  else {
    const chosen = known(values.pictures.split(','), names, 'picture');
    const seconds = Number(values.seconds);
    const measured: { readonly picture: PictureName; readonly cores: readonly number[] }[] = [];
    for (const picture of chosen) {
      const cores: number[] = [];
      for (const { scene, detector } of kinds) {
        const film = await filmOf(scene, picture, seconds);
        const { daemonS, workersS } = await runPath(film, { detector, embedder });
        cores.push((daemonS + workersS) / seconds);
        progress(`${pictures[picture].what}, ${scene}, ${detector}: ${cores.at(-1)?.toFixed(2)}`);
      }
      measured.push({ picture, cores });
    }
    publish({
      name: 'sizing',
      title: 'Cores a camera of 25 frames a second',
      columns: ['camera', ...kinds.map(({ scene, detector }) => `${detector}, ${scene}`)],
      rows: measured.map(({ picture, cores }) => [pictures[picture].what, ...cores.map((share) => share.toFixed(2))]),
      notes: Object.entries(scenes)
        .filter(([scene]) => kinds.some((kind) => kind.scene === scene))
        .map(([scene, { what }]) => `${scene}: ${what}`),
      figures: { seconds, measured },
    });
  }
}

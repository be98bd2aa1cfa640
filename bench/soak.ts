import { parseArgs } from 'node:util';
import { hasMosquitto } from '../test/support/broker.ts';
import { missingTool } from '../test/support/data.ts';
import { installedProgram } from '../test/support/programs.ts';
import { missingModels } from '../test/support/repository.ts';
import { type Held, soak } from './support/soak.ts';
import { progress, publish } from './support/table.ts';

const usage = `usage: node bench/soak.ts [--hours 1] [--warm 60]

Memory, descriptors and threads of all processes while one 720p25 camera on an empty room is looked at with YuNet for so many hours of
film, as fast as the machine can (ten times as fast as a camera, about). The first seconds (--warm) do not count. Prints a table, writes
bench/results/soak.json.`;

const { values } = parseArgs({
  options: { hours: { type: 'string', default: '1' }, warm: { type: 'string', default: '60' }, help: { type: 'boolean' } },
});

/** Per cent. */
const target = 3;

const said = ({ wallS, mediaS, aloneMb, pssMb, rssMb, descriptors, threads }: Held) => [
  wallS.toFixed(0),
  mediaS.toFixed(0),
  aloneMb.toFixed(1),
  pssMb.toFixed(1),
  rssMb.toFixed(1),
  `${descriptors}`,
  `${threads}`,
];

if (values.help) console.log(usage);
else {
  const missing =
    missingModels('yunet') || missingTool(hasMosquitto, 'mosquitto') || missingTool(installedProgram('ffmpeg'), 'ffmpeg');
  if (missing !== false) console.log(`the soak is not run: ${missing}`);
  else {
    const columns = ['wall s', 'film s', 'alone MB', 'PSS MB', 'RSS MB', 'descriptors', 'threads'];
    const soaked = await soak(Number(values.hours), Number(values.warm), (held) => {
      progress(
        said(held)
          .flatMap((cell, at) => [columns[at] ?? '', cell])
          .join(' '),
      );
    });
    const { settled, end, minutes, change, looks, leastMb, mostMb } = soaked;
    const speed = end.mediaS / end.wallS;
    publish({
      name: 'soak',
      title: `${values.hours} h of an empty room, all processes`,
      columns: ['', ...columns],
      rows: [
        ...minutes.map((held, at) => [`minute ${at + 1}`, ...said(held)]),
        ['first third: floor', ...said(settled)],
        ['last third: floor', ...said(end)],
      ],
      notes: [
        `alone ${change.toFixed(1)} % (target +-${target} %: ${Math.abs(change) <= target ? 'reached' : 'missed'}); least ${leastMb.toFixed(1)}, most ${mostMb.toFixed(1)} MB`,
        'alone: PSS as it would be if nobody else on this machine ran Node.js',
        `descriptors ${end.descriptors - settled.descriptors}, threads ${end.threads - settled.threads}, ${looks} looks, ${speed.toFixed(1)}x speed`,
      ],
      figures: soaked,
    });
  }
}

import { writeFile } from 'node:fs/promises';
import type { Alert } from '../core/alerts.ts';
import type { AlertEventView, ControlRequest } from '../core/control.ts';
import { descriptionMeaning } from '../core/descriptions.ts';
import { isAbort } from '../core/errors.ts';
import { type Command, type CommandIo, noPositionals, numberOption, onlyPositional, parse, present, usage } from './command.ts';
import { oneLine } from './printable.ts';
import { sessionHelp, sessionOptions, withDaemon, withStore } from './session.ts';
import { dateTime, parseSpan, table, timeOfDay } from './text.ts';

const steps = { ack: 'acknowledged', resolve: 'resolved', reject: 'rejected' } as const;

export const alerts: Command = {
  help: `Follows, lists and answers alerts.

Usage: sightline alerts tail [--camera NAME]...
       sightline alerts list [--camera NAME] [--open] [--since SPAN] [--limit N]
       sightline alerts show ID [--snapshot FILE]
       sightline alerts ack|resolve|reject ID [--reason TEXT]

  tail      shows alerts as they happen, until Ctrl-C
  list      latest first
  show      one alert with its history; --snapshot writes its picture
  ack       somebody is looking at it
  resolve   it is settled
  reject    it was wrong

      --camera NAME   only this camera (tail: may be given several times)
      --open          only alerts that are not over
      --since SPAN    only those in view within this time, such as 2h or 7d
      --limit N       at most this many (default 50)
      --reason TEXT   kept with the step
${sessionHelp}`,
  run: async (args, io, services) => {
    const { values, positionals } = parse(args, {
      ...sessionOptions,
      camera: { type: 'string', multiple: true },
      open: { type: 'boolean' },
      since: { type: 'string' },
      limit: { type: 'string' },
      reason: { type: 'string' },
      snapshot: { type: 'string' },
    });
    const [verb, ...rest] = positionals;
    const json = values.json === true;
    switch (verb) {
      case 'tail':
        noPositionals(rest);
        await withDaemon(values, io, services, async (control) => {
          try {
            for await (const event of control.stream('alerts.tail', { cameras: values.camera ?? [] }, io.signal))
              io.out(json ? JSON.stringify(event) : eventLine(event, io));
          } catch (error) {
            if (!isAbort(error)) throw error;
          }
        });
        return 0;
      case 'list': {
        noPositionals(rest);
        if ((values.camera?.length ?? 0) > 1) throw usage('alerts list takes one --camera');
        const query: ControlRequest<'alerts.list'> = present({
          camera: values.camera?.[0],
          open: values.open,
          limit: numberOption(values.limit, 'limit', { min: 1, max: 1000, whole: true }),
          from: values.since === undefined ? undefined : Math.max(0, io.clock.now() - parseSpan(values.since, 'since')),
        });
        const { alerts: found, cursor } = await withStore(values, io, services, (control) =>
          control.call('alerts.list', query, io.signal),
        );
        if (json) for (const alert of found) io.out(JSON.stringify(alert));
        else for (const line of table(found.map((alert) => alertRow(alert, io)))) io.out(line);
        if (cursor !== undefined) io.say('there are more; raise --limit or narrow the question');
        return 0;
      }
      case 'show': {
        const id = onlyPositional(rest, 'ID');
        await withStore(values, io, services, async (control) => {
          const { alert } = await control.call('alerts.show', { id }, io.signal);
          for (const line of json ? [JSON.stringify(alert)] : details(alert, io)) io.out(line);
          if (values.snapshot === undefined) return;
          const { jpegBase64 } = await control.call('alerts.snapshot', { id }, io.signal);
          await writeFile(values.snapshot, Buffer.from(jpegBase64, 'base64'), { mode: 0o600 });
          io.say(`its picture is in ${values.snapshot}`);
        });
        return 0;
      }
      case 'ack':
      case 'resolve':
      case 'reject': {
        const request = present({ id: onlyPositional(rest, 'ID'), step: steps[verb], actor: io.user, reason: values.reason });
        const { alert } = await withDaemon(values, io, services, (control) => control.call('alerts.act', request, io.signal));
        const over = alert.state === 'closed' ? ', and the visit is over' : '';
        io.out(json ? JSON.stringify(alert) : `${alert.id} is ${steps[verb]}${over}`);
        if (!alert.durable)
          io.say(
            'the step was announced but could not be stored: a restart of the daemon may forget it; see sightline status, then repeat it',
          );
        return 0;
      }
      default:
        throw usage(
          verb === undefined
            ? 'alerts needs one of tail, list, show, ack, resolve, reject'
            : `alerts has no ${verb}; expected tail, list, show, ack, resolve or reject`,
        );
    }
  },
};

function who({ entry }: Alert): string {
  return entry === undefined ? 'unknown face' : `${entry.name} (${entry.list})`;
}

function eventLine({ alert, step }: AlertEventView, io: CommandIo): string {
  const by = step.actor === 'sightline' ? '' : ` by ${step.actor}`;
  const reason = step.reason === undefined ? '' : ` (${step.reason})`;
  const similarity = alert.entry === undefined ? '' : ` ${alert.kind} similarity ${alert.score.toFixed(2)}${meaningOf(alert)}`;
  return oneLine(
    `${timeOfDay(step.at, io.timeZone)} ${step.state}${by}${reason}: ${alert.severity} ${alert.camera} ${who(alert)}${similarity} [${alert.rule}] ${alert.id}`,
  );
}

/** What must be said beside the score of a description. */
function meaningOf({ kind }: Alert): string {
  return kind === 'description' ? `, ${descriptionMeaning}` : '';
}

function alertRow(alert: Alert, io: CommandIo): string[] {
  return [
    dateTime(alert.firstSeenAt, io.timeZone),
    alert.state,
    alert.severity,
    alert.cameras.join(','),
    who(alert),
    alert.entry === undefined ? '' : `${alert.kind} ${alert.score.toFixed(2)}${meaningOf(alert)}`,
    alert.rule,
    alert.id,
  ];
}

function details(alert: Alert, io: CommandIo): string[] {
  const time = (ms: number) => dateTime(ms, io.timeZone);
  const others = alert.top.filter(({ entryId }) => entryId !== alert.entry?.id);
  // Against nobody the margin is only the score over again.
  const margin = others.length === 0 ? 'nobody else to compare with' : `margin ${alert.margin.toFixed(3)}`;
  return [
    ...table([
      ['alert', alert.id],
      ['who', who(alert)],
      ['rule', `${alert.rule}, ${alert.severity}`],
      ['in view', `${time(alert.firstSeenAt)} to ${time(alert.lastSeenAt)} on ${alert.cameras.join(', ')}`],
      ['similarity', `${alert.kind} ${alert.score.toFixed(3)}, threshold ${alert.threshold.toFixed(3)}, ${margin}`],
      ...(others.length === 0
        ? []
        : [['next', others.map((other) => `${other.entryName} ${other.score.toFixed(3)}`).join(', ')]]),
      ...(alert.kind === 'description' ? [['meaning', descriptionMeaning]] : []),
      ['sightings', String(alert.sightings)],
      ['quality', `${alert.quality.overall.toFixed(2)}, ${Math.round(alert.quality.heightPx)} px high`],
      ...(alert.trace === undefined ? [] : [['trace', alert.trace]]),
    ]),
    ...table(alert.steps.map(({ at, state, actor, reason }) => [time(at), state, actor, reason ?? ''])),
  ];
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SightlineError } from '../../src/core/errors.ts';
import type { AuditRow } from '../../src/core/store.ts';
import { createAuditRows, maxAuditRows } from '../../src/store/audit-rows.ts';
import { testContext } from '../support/context.ts';

const row = (subject: string): AuditRow => ({
  at: 1000,
  actor: 'ada',
  action: 'user.add',
  subject,
  details: { via: 'session' },
});

function createDisk() {
  const stored: string[] = [];
  const disk = {
    stored,
    failure: undefined as SightlineError | undefined,
    write: async ({ subject }: AuditRow) => {
      await Promise.resolve();
      if (disk.failure !== undefined) throw disk.failure;
      stored.push(subject);
    },
  };
  return disk;
}

test('audit rows of a full disk are kept and stored in their order once there is room', async () => {
  using ctx = testContext();
  const disk = createDisk();
  await using rows = createAuditRows(disk.write, ctx);
  await rows.add(row('a'));
  disk.failure = new SightlineError('store.full', 'the disk is full');
  await Promise.all(['b', 'c'].map((subject) => rows.add(row(subject))));
  await rows.add(row('d'));
  rows.retry();
  assert.deepEqual(disk.stored, ['a']);
  assert.match(await ctx.metrics.registry.metrics(), /sightline_audit_waiting 3/);
  disk.failure = undefined;
  rows.retry();
  await rows.add(row('e'));
  await rows.settled();
  assert.deepEqual(disk.stored, ['a', 'b', 'c', 'd', 'e']);
  const metrics = await ctx.metrics.registry.metrics();
  assert.match(metrics, /sightline_audit_waiting 0/);
  assert.match(metrics, /sightline_audit_lost_total 0/);
});

test('audit rows beyond what may wait, and those left at the end, are counted and in the log, each whole', async () => {
  using ctx = testContext();
  const disk = createDisk();
  disk.failure = new SightlineError('store.full', 'the disk is full');
  const rows = createAuditRows(disk.write, ctx);
  for (let at = 0; at < maxAuditRows + 2; at += 1) await rows.add(row(`bo-${at}`));
  const lost = () => ctx.lines.filter(({ msg }) => msg === 'audit row was lost');
  assert.deepEqual(
    lost().map(({ subject }) => subject),
    [`bo-${maxAuditRows}`, `bo-${maxAuditRows + 1}`],
  );
  const [first] = lost();
  assert.deepEqual(
    [first?.['level'], first?.['at'], first?.['actor'], first?.['action'], first?.['details'], first?.['reason']],
    ['error', 1000, 'ada', 'user.add', { via: 'session' }, 'the disk is full'],
  );
  await rows[Symbol.asyncDispose]();
  await rows.add(row('late'));
  assert.equal(lost().length, maxAuditRows + 3);
  assert.equal(lost().at(-1)?.['reason'], 'the store is closed');
  assert.match(await ctx.metrics.registry.metrics(), new RegExp(`sightline_audit_lost_total ${maxAuditRows + 3}`));
});

test('a row that comes in the moment in which the last one is stored is not forgotten', async () => {
  using ctx = testContext();
  const disk = createDisk();
  await using rows = createAuditRows(disk.write, ctx);
  for (let gap = 0; gap < 10; gap += 1) {
    const first = rows.add(row(`first ${gap}`));
    for (let turn = 0; turn < gap; turn += 1) await Promise.resolve();
    await Promise.all([first, rows.add(row(`second ${gap}`))]);
  }
  assert.equal(disk.stored.length, 20);
});

test('an audit row that can never be stored does not hold up those behind it', async () => {
  using ctx = testContext();
  const disk = createDisk();
  const stored: string[] = [];
  await using rows = createAuditRows(async (given) => {
    if (given.subject === 'bad') throw new SightlineError('store.failed', 'mismatch', { details: { lasting: true } });
    await disk.write(given);
    stored.push(given.subject);
  }, ctx);
  await Promise.all(['bad', 'good'].map((subject) => rows.add(row(subject))));
  assert.deepEqual(stored, ['good']);
  assert.match(await ctx.metrics.registry.metrics(), /sightline_audit_lost_total 1/);
});

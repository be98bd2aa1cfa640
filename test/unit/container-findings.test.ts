import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CheckEnding, type ContainerExpectations, createContainerFindings } from '../../src/doctor/container-findings.ts';

const plain: ContainerExpectations = { protocol: 1, encoder: 'auto' };

function findings(lines: readonly object[], expected: Partial<ContainerExpectations> = {}) {
  const found = createContainerFindings({ ...plain, ...expected });
  return lines.flatMap((line) => found.line(JSON.stringify(line)));
}

const program = { check: 'program', ok: true, seen: 'DeepStream 9.1', facts: { protocol: 1 } };
const ended: CheckEnding = { late: false, exitCode: 0, outOfMemory: false, lastWords: undefined };

describe('what the check in a container finds', () => {
  it('passes what is there, and says what to do about what is not', () => {
    for (const check of ['driver', 'elements', 'plugins', 'parsers', 'tracker', 'decoder-h264', 'decoder-h265', 'crops']) {
      const [good] = findings([{ check, ok: true, seen: 'there' }]);
      assert.deepEqual([good?.verdict, good?.seen, good?.remedy], ['pass', 'there', undefined], check);
      const [bad] = findings([{ check, ok: false, seen: 'not there' }]);
      assert.ok(bad?.remedy !== undefined && bad.seen === 'not there', check);
      const isNeeded = !['driver', 'plugins', 'decoder-h265'].includes(check);
      assert.equal(bad.verdict, isNeeded ? 'fail' : 'warn', check);
    }
  });

  it('refuses a program of another protocol, and takes a check that it does not know as it is', () => {
    assert.equal(findings([program])[0]?.verdict, 'pass');
    const [other] = findings([program], { protocol: 2 });
    assert.equal(other?.verdict, 'fail');
    assert.match(other?.seen ?? '', /protocol 1, not 2/);
    assert.deepEqual(findings([{ check: 'later', ok: true, seen: 'x' }]), [{ subject: 'later', verdict: 'pass', seen: 'x' }]);
    assert.equal(findings([{ check: 'later', ok: false, seen: 'x' }])[0]?.verdict, 'warn');
  });

  it('minds plugins that do not load only where an element is missing', () => {
    const verdict = (elements: boolean) =>
      findings([
        { check: 'elements', ok: elements, seen: 'x' },
        { check: 'plugins', ok: false, seen: 'GStreamer cannot load libx.so' },
      ])[1]?.verdict;
    assert.deepEqual([true, false].map(verdict), ['pass', 'warn']);
  });

  it('warns where the processor decodes', () => {
    const decoder = (hardware: boolean) => findings([{ check: 'decoder-h264', ok: true, seen: 'x', facts: { hardware } }]);
    assert.deepEqual(
      [true, false].map((hardware) => decoder(hardware)[0]?.verdict),
      ['pass', 'warn'],
    );
  });

  it('judges encoders by what the configuration asks for', () => {
    const verdict = (encoder: ContainerExpectations['encoder'], hardware: boolean, software: boolean) => {
      const lines = [
        { check: 'encoder-hardware', ok: hardware, seen: 'hardware' },
        { check: 'encoder-software', ok: software, seen: 'software' },
      ];
      const [finding, ...more] = findings(lines, { encoder });
      assert.equal(more.length, 0);
      return `${finding?.verdict}: ${finding?.seen}`;
    };
    assert.equal(verdict('auto', true, false), 'pass: hardware');
    assert.equal(verdict('auto', false, true), 'warn: software, since hardware');
    assert.equal(verdict('auto', false, false), 'fail: hardware; software');
    assert.equal(verdict('hardware', false, true), 'fail: hardware');
    assert.equal(verdict('hardware', true, false), 'pass: hardware');
    assert.equal(verdict('software', true, false), 'fail: software');
    assert.equal(verdict('software', false, true), 'pass: software');
    assert.match(verdict('none', false, false), /^skip/);
  });

  it('takes lines of libraries for none', () => {
    const found = createContainerFindings(plain);
    for (const text of ['', 'Opening in BLOCKING MODE', '{"check":', '{"check":"x"}', '{"ok":true}', '[]'])
      assert.deepEqual(found.line(text), [], text);
    assert.equal(found.at, undefined);
  });

  it('says where a check broke off', () => {
    const broken = () => {
      const found = createContainerFindings(plain);
      found.line('{"check":"crops","begins":true}');
      assert.equal(found.at, 'crops');
      return found;
    };
    const seen = (ending: Partial<CheckEnding>) =>
      broken()
        .end({ ...ended, ...ending })
        .map((finding) => `${finding.verdict}: ${finding.seen}`);
    assert.deepEqual(seen({ late: true }), ['fail: its check was not done in time, at "crops"']);
    assert.deepEqual(seen({ outOfMemory: true }), ['fail: its check took too much memory, at "crops"']);
    assert.deepEqual(seen({ exitCode: 139, lastWords: 'Segmentation fault' }), [
      'fail: its check ended with exit code 139, at "crops": Segmentation fault',
    ]);
    assert.deepEqual(seen({ exitCode: 127, lastWords: 'libx.so: cannot open shared object file' }), [
      'fail: the image does not hold the program sightline-bridge, or a library that it needs: libx.so: cannot open shared object file',
    ]);
    const old = createContainerFindings(plain);
    assert.match(
      old.end({ ...ended, exitCode: 78, lastWords: '{"level":"error","msg":"usage: sightline-bridge CONTAINER.JSON"}' })[0]
        ?.seen ?? '',
      /exit code 78: usage: sightline-bridge CONTAINER\.JSON$/,
    );
  });

  it('warns of what a program that is done never spoke of', () => {
    const plainChecks = ['driver', 'elements', 'plugins', 'parsers', 'tracker', 'decoder-h264', 'decoder-h265', 'crops'];
    const all = ['program', ...plainChecks, 'encoder-hardware', 'encoder-software'];
    const untold = (...without: readonly string[]) => {
      const found = createContainerFindings(plain);
      for (const check of all.filter((name) => !without.includes(name))) {
        const spoken = { check, ok: true, seen: 'there', facts: { protocol: 1 } };
        found.line(JSON.stringify(spoken));
      }
      found.line('{"done":true}');
      return found.end(ended);
    };
    assert.deepEqual(untold(), []);
    for (const check of all) {
      const [finding, ...more] = untold(check);
      assert.deepEqual([finding?.verdict, more.length], ['warn', 0], check);
      assert.match(finding?.seen ?? '', new RegExp(`"${check}"`));
      assert.ok(finding?.remedy !== undefined);
    }
  });
});

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { missingTool } from '../support/data.ts';
import { installedProgram } from '../support/programs.ts';
import { buildStandin, missingStandin, standinBuild } from '../support/standin.ts';

const skip = missingStandin() || missingTool(installedProgram('clang-tidy'), 'clang-tidy');

describe('the C++ of the program and of its parsers', { skip }, () => {
  before(() => buildStandin(), { timeout: 600_000 });

  // The files of a part together, as they are compiled: headers are read once.
  const together = ['app/libapp_core.a.p/*-unity0.cpp', 'app/libapp_parts.a.p/*-unity0.cpp'];
  const alone = ['app/main.cpp', 'parsers/{centerface,exports,tensors,yolo}.cpp'];
  for (const [pattern, under] of [
    ...together.map((one) => [one, standinBuild] as const),
    ...alone.map((one) => [one, join(standinBuild, '..')] as const),
  ])
    it(`has nothing to tell to clang-tidy: ${pattern}`, { timeout: 1_200_000 }, async () => {
      const files = globSync(pattern, { cwd: under }).map((file) => join(under, file));
      assert.ok(files.length > 0);
      const said = await promisify(execFile)(
        'clang-tidy',
        ['--quiet', '--checks=-bugprone-suspicious-include', '-p', standinBuild, ...files],
        {
          maxBuffer: 64 << 20,
        },
      ).then(
        () => '',
        (error: { readonly stdout?: string; readonly stderr?: string }) => `${error.stdout ?? ''}${error.stderr ?? ''}`,
      );
      assert.equal(said, '');
    });
});

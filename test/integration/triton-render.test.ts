import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { renderRepository } from '../../src/inference/render.ts';
import { describeModel, listModels } from '../../src/inference/repository.ts';
import { checkTriton } from '../../src/inference/triton-check.ts';
import { runCommand, runProgram } from '../support/cli.ts';
import { missingTool } from '../support/data.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { fixtureModelRepository } from '../support/fixtures.ts';
import { closedPort } from '../support/port.ts';
import { changeableRepository } from '../support/repository.ts';

/** The command with the real parts behind it. */
function triton(repository: string, ...args: readonly string[]) {
  return runCommand(['triton', ...args], {
    triton: async (where) => ({ repository: where.repository ?? repository, check: checkTriton, render: renderRepository }),
  });
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

describe('triton render', () => {
  it('writes descriptions and weights, says so, and names models without weights with the remedy', async () => {
    await using directory = await temporaryDirectory();
    await using repository = await changeableRepository();
    const target = join(directory.path, 'served');
    const { code, out } = await triton(repository.directory, 'render', target, '--hardware', 'cpu');
    assert.equal(code, 0);
    assert.match(out[0] ?? '', /5 models \(fixture_clip, fixture_embed, fixture_face, fixture_person, fixture_text\)/);
    const text = out.join('\n');
    assert.match(text, /wrote fixture_face\/config\.pbtxt\n {2}wrote fixture_face\/1\/model\.onnx/);
    assert.match(text, /left out, without weights here: .*\bcenterface\b.*\n.*sightline models fetch MODEL/);
    assert.deepEqual(await listModels(target), [
      'fixture_clip',
      'fixture_embed',
      'fixture_face',
      'fixture_person',
      'fixture_text',
    ]);
    const weights = 'fixture_face/1/model.onnx';
    assert.deepEqual(await readFile(join(target, weights)), await readFile(join(fixtureModelRepository, weights)));
    const { parameters: _, weights: __, ...mine } = await describeModel(fixtureModelRepository, 'fixture_face');
    const { parameters: ___, weights: ____, ...theirs } = await describeModel(target, 'fixture_face');
    assert.deepEqual(theirs, mine);
  });

  it('is a command of the program, of the repository that a configuration names', async () => {
    await using directory = await temporaryDirectory();
    const config = join(directory.path, 'sightline.yaml');
    await writeFile(config, `inference: { repository: ${fixtureModelRepository} }\ncameras: {}\n`);
    const args = ['render', 'served', '--hardware', 'cpu', 'fixture_face', '--config', 'sightline.yaml'];
    const { code, stdout, stderr } = await runProgram(['triton', ...args], { cwd: directory.path });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /1 model \(fixture_face\)/);
    assert.deepEqual(await listModels(join(directory.path, 'served')), ['fixture_face']);

    await using nobody = await closedPort();
    const { port } = nobody;
    const check = await runProgram(['triton', 'check', `127.0.0.1:${port}`, '--repository', 'served'], { cwd: directory.path });
    assert.equal(check.code, 1);
    assert.match(check.stderr, /^sightline triton: no answer from a Triton server at .*ECONNREFUSED/);
    await using nobodyElse = await closedPort();
    const other = nobodyElse.port;
    const url = `[127.0.0.1:${port}, 127.0.0.1:${other}]`;
    await writeFile(config, `inference: { engine: triton, url: ${url}, repository: served }\ncameras: {}\n`);
    const both = await runProgram(['triton', 'check', '--config', config], { cwd: directory.path });
    assert.equal(both.code, 1, both.stderr);
    for (const each of [port, other])
      assert.match(both.stdout, new RegExp(`^127\\.0\\.0\\.1:${each}: no answer.*ECONNREFUSED`, 'm'));
    const nowhere = await runProgram(['triton', 'check', 'localhost', '--repository', 'nowhere'], { cwd: directory.path });
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stderr, /no model repository at .*nowhere/);
  });

  it('does the same once more without writing, follows a change, and takes away what belongs to nothing', async () => {
    await using directory = await temporaryDirectory();
    const target = directory.path;
    const render = async (...args: readonly string[]) => {
      const { code, out } = await triton(fixtureModelRepository, 'render', target, '--json', ...args);
      assert.equal(code, 0);
      return JSON.parse(out[0] ?? '');
    };
    const first = await render('--hardware', 'cpu', '--detect-embed', 'fixture_face,fixture_embed');
    assert.equal(first.written.length, 11 + 8);
    const again = await render('--hardware', 'cpu', '--detect-embed', 'fixture_face,fixture_embed');
    assert.deepEqual([again.written, again.unchanged.length], [[], 19]);
    const other = await render('--hardware', 'gpu', 'fixture_face', 'fixture_embed');
    assert.deepEqual(other.written, ['fixture_embed/config.pbtxt', 'fixture_face/config.pbtxt']);
    assert.equal(other.removed.length, 15);
    assert.deepEqual(await filesBelow(target), [
      'fixture_embed/1/model.onnx',
      'fixture_embed/config.pbtxt',
      'fixture_face/1/model.onnx',
      'fixture_face/config.pbtxt',
      'sightline-render.json',
    ]);
    assert.deepEqual((await readdir(target)).sort(), ['fixture_embed', 'fixture_face', 'sightline-render.json']);
  });

  it('overwrites nothing that it has not written, and then writes nothing at all', async () => {
    await using directory = await temporaryDirectory();
    const target = directory.path;
    const render = () => triton(fixtureModelRepository, 'render', target, '--hardware', 'cpu', 'fixture_face');
    const foreign = join(target, 'fixture_face/config.pbtxt');
    await mkdir(join(target, 'fixture_face'));
    await writeFile(foreign, 'mine');
    const refused = { code: 'model.foreign', message: /fixture_face\/config\.pbtxt; nothing was written/ };
    await assert.rejects(Promise.reject((await render()).error), refused);
    assert.deepEqual(await filesBelow(target), ['fixture_face/config.pbtxt']);

    await rm(foreign);
    assert.equal((await render()).code, 0);
    await writeFile(foreign, 'changed by hand');
    await assert.rejects(Promise.reject((await render()).error), refused);
    assert.equal(await readFile(foreign, 'utf8'), 'changed by hand');
  });

  it('says so where no folder can be made', { skip: missingTool(existsSync('/proc/self'), '/proc') }, async () => {
    const { error } = await triton(fixtureModelRepository, 'render', '/proc/served/here', '--hardware', 'cpu', 'fixture_face');
    await assert.rejects(Promise.reject(error), {
      code: 'model.foreign',
      message: /^\/proc\/served\/here cannot be made: ENOENT.*; name another folder$/,
    });
  });

  it('keeps what was changed by hand of what belongs to nothing any more, and says so', async () => {
    await using directory = await temporaryDirectory();
    const target = directory.path;
    await triton(fixtureModelRepository, 'render', target, '--hardware', 'cpu');
    const changed = 'fixture_clip/config.pbtxt';
    await writeFile(join(target, changed), 'mine now');
    const { code, out } = await triton(fixtureModelRepository, 'render', target, '--hardware', 'cpu', 'fixture_face');
    assert.equal(code, 0);
    assert.match(out.join('\n'), /note: fixture_clip\/config\.pbtxt is of an earlier run and was changed since: it stays/);
    assert.equal(await readFile(join(target, changed), 'utf8'), 'mine now');
  });

  it('does not follow links out of the folder, nor a list that names files outside', async () => {
    await using directory = await temporaryDirectory();
    const target = join(directory.path, 'served');
    const outside = join(directory.path, 'outside');
    await mkdir(join(outside, '1'), { recursive: true });
    await mkdir(target);
    await symlink(outside, join(target, 'fixture_face'));
    const render = () => triton(fixtureModelRepository, 'render', target, '--hardware', 'cpu', 'fixture_face');
    await assert.rejects(Promise.reject((await render()).error), { code: 'model.foreign' });
    assert.deepEqual(await filesBelow(outside), []);

    await rm(join(target, 'fixture_face'));
    const precious = join(directory.path, 'precious');
    await writeFile(precious, '');
    const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    await writeFile(
      join(target, 'sightline-render.json'),
      JSON.stringify({ files: { '../precious': empty, [precious]: empty } }),
    );
    assert.equal((await render()).code, 0);
    assert.ok((await lstat(precious)).isFile());

    for (const text of ['no JSON', '[]', 'null', '{"models": []}']) {
      await writeFile(join(target, 'sightline-render.json'), text);
      await assert.rejects(
        Promise.reject((await render()).error),
        { code: 'model.foreign', message: /not what an earlier run/ },
        text,
      );
    }
  });

  it('neither writes nor takes away through a link that came between', async () => {
    await using directory = await temporaryDirectory();
    await using repository = await changeableRepository();
    const [target, outside] = [join(directory.path, 'served'), join(directory.path, 'outside')];
    const render = (...models: readonly string[]) =>
      triton(repository.directory, 'render', target, '--hardware', 'cpu', ...models);
    assert.equal((await render('fixture_face', 'fixture_embed')).code, 0);
    await rename(join(target, 'fixture_face'), outside);
    await symlink(outside, join(target, 'fixture_face'));
    const before = await filesBelow(outside);
    const config = join(target, 'fixture_embed/config.pbtxt');
    await rm(config);
    await symlink(join(directory.path, 'stolen'), `${config}.sightline-new`);
    const { code, error, out } = await render('fixture_embed');
    assert.deepEqual([code, error], [0, undefined]);
    assert.match(out.join('\n'), /fixture_face\/config\.pbtxt is of an earlier run and was changed since: it stays/);
    assert.deepEqual(await filesBelow(outside), before);
    assert.ok((await lstat(config)).isFile());
    assert.deepEqual((await readdir(directory.path)).sort(), ['outside', 'served']);
  });

  it('says that it can write no folder where a file is', async () => {
    const { error } = await triton(fixtureModelRepository, 'render', '/dev/null', '--hardware', 'cpu', 'fixture_face');
    assert.ok(error instanceof Error);
    assert.equal(error.message, '/dev/null is no folder; name another');
  });

  it('refuses wrong usage in words', async () => {
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /what: check or render/],
      [['serve'], /unexpected serve/],
      [['render', '--hardware', 'cpu'], /DIR is missing/],
      [['render', 'x'], /--hardware is missing: cpu, gpu, gpu-tensorrt/],
      [['render', 'x', '--hardware', 'tpu'], /--hardware tpu is none of cpu, gpu, gpu-tensorrt/],
      [['render', 'x', '--hardware', 'cpu', '--instances', '0'], /--instances 0 is not a whole number from 1 to 64/],
      [['render', 'x', '--hardware', 'cpu', '--decoder', 'dali'], /--decoder dali needs a GPU/],
      [['render', 'x', '--hardware', 'cpu', '--detect-embed', 'centerface'], /is not DETECTOR,EMBEDDER/],
      [['render', 'x', '--hardware', 'gpu-tensorrt', '--engine-cache', 'here'], /--engine-cache here is not an absolute path/],
      [['render', 'x', '--hardware', 'cpu', '--ca', 'f'], /--ca belongs to sightline triton check/],
      [['check', 'x', '--hardware', 'cpu'], /--hardware belongs to sightline triton render/],
      [['check'], /URL is missing: which server, or --config FILE that names some/],
      [['check', 'http://x'], /"http:\/\/x" is not the address of a Triton server/],
      [['check', 'x', '--cert', 'f'], /--cert and --key go together/],
      [['check', '127.0.0.1', '--ca', 'f'], /write grpcs:\/\/host:port/],
      [['check', 'grpcs://127.0.0.1', '--ca', '/no/such/file'], /--ca \/no\/such\/file: there is no such file/],
    ];
    for (const [args, words] of wrong) {
      const { error } = await triton(fixtureModelRepository, ...args);
      await assert.rejects(Promise.reject(error), { code: 'cli.usage', message: words }, args.join(' '));
    }
  });

  it('names models that are not there', async () => {
    await using repository = await changeableRepository();
    const target = join(repository.directory, 'never');
    const { error } = await triton(repository.directory, 'render', target, '--hardware', 'cpu', 'centerface');
    await assert.rejects(Promise.reject(error), { code: 'model.missing', message: /models fetch centerface/ });
    const { error: unknown } = await triton(repository.directory, 'render', target, '--hardware', 'cpu', 'nobody');
    await assert.rejects(Promise.reject(unknown), {
      code: 'model.unknown',
      message: /no model "nobody" .* it has .*fixture_face/,
    });
  });
});

describe('triton check', () => {
  it('says which server does not answer, why, and what to do', async () => {
    await using nobody = await closedPort();
    const { port } = nobody;
    const { error } = await triton(fixtureModelRepository, 'check', `127.0.0.1:${port}`);
    const message = new RegExp(
      `^no answer from a Triton server at 127\\.0\\.0\\.1:${port}: unavailable: connect ECONNREFUSED 127\\.0\\.0\\.1:${port}; start it, .*gRPC port`,
    );
    await assert.rejects(Promise.reject(error), { code: 'inference.unavailable', message });
  });

  it('says that a name leads nowhere', async () => {
    const { error } = await triton(fixtureModelRepository, 'check', 'no-such-host.invalid');
    await assert.rejects(Promise.reject(error), {
      code: 'inference.unavailable',
      message: /no-such-host\.invalid has no address/,
    });
  });
});

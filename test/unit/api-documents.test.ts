import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import { documentFiles } from '../../src/composition/documents.ts';
import { errorCodes, SightlineError } from '../../src/core/errors.ts';
import { parseRange } from '../../src/http/answering.ts';
import { problemOf } from '../../src/http/problem.ts';
import { allRoutes } from '../../src/http/table.ts';

/** The documents of the API are what the code gives, are valid, and leave nothing out. */

const files = new Map(documentFiles().map(({ path, text }) => [path, text]));

function parsed(path: string): { readonly [key: string]: unknown } {
  return JSON.parse(files.get(path) ?? '{}');
}

/** References that lead nowhere. */
function dangling(document: object): readonly string[] {
  const found: string[] = [];
  function visit(value: unknown): void {
    if (value === null || typeof value !== 'object') return;
    for (const [key, item] of Object.entries(value)) {
      if (key === '$ref' && typeof item === 'string') {
        const path = item
          .slice(2)
          .split('/')
          .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
        const target = path.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);
        if (target === undefined) found.push(item);
      } else visit(item);
    }
  }
  visit(document);
  return found;
}

test('the documents in docs/ are current', () => {
  for (const [path, text] of files)
    assert.ok(
      readFileSync(join(import.meta.dirname, '../..', path), 'utf8') === text,
      `${path} is not what its source gives; run: make gen`,
    );
});

test('docs/openapi.json is valid OpenAPI 3.1 and has every route, with its parameters', async () => {
  const document = parsed('docs/openapi.json');
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, '3.1');
  assert.deepEqual(dangling(document), []);
  const paths = document['paths'] as Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          { readonly operationId: string; readonly parameters?: readonly { readonly name: string; readonly in: string }[] }
        >
      >
    >
  >;
  const operations = allRoutes.map(({ method, path }) => {
    const operation = paths[path]?.[method.toLowerCase()];
    assert.ok(operation !== undefined, `${method} ${path}`);
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map(({ name }) => `{${name}}`);
    assert.deepEqual(path.match(/\{\w+\}/g) ?? [], inPath, `${method} ${path}`);
    return operation.operationId;
  });
  assert.equal(new Set(operations).size, operations.length);
  assert.equal(new Set(allRoutes.map(({ method, path }) => `${method} ${path}`)).size, allRoutes.length);
});

test('docs/asyncapi.json has the topics, the live feed and the events, and every reference leads somewhere', () => {
  const document = parsed('docs/asyncapi.json');
  assert.equal(document['asyncapi'], '3.0.0');
  assert.deepEqual(dangling(document), []);
  const channels = document['channels'] as Readonly<Record<string, { readonly address: string; readonly messages: object }>>;
  const said = Object.entries(channels).map(
    ([name, { address, messages }]) => `${name} ${address} ${Object.keys(messages).length}`,
  );
  assert.deepEqual(said, [
    'mqttAlert {base}/v1/alerts/{camera} 1',
    'mqttLate {base}/v1/late/{camera} 1',
    'mqttStatus {base}/v1/status 1',
    'mqttCamera {base}/v1/cameras/{camera}/state 1',
    'live /api/v1/live 12',
    'events /api/v1/events 4',
  ]);
});

test('every error code becomes a problem with a status, and what went wrong inside is not told', () => {
  for (const code of errorCodes) {
    const { problem } = problemOf(new SightlineError(code, 'a secret path'));
    assert.ok(problem.status >= 400 && problem.status < 600, code);
    assert.equal(problem.status === 500, problem.code === 'http.failed', code);
    assert.equal(problem.status === 500, !problem.detail.includes('secret'), code);
  }
  assert.equal(
    problemOf(new SightlineError('http.limited', 'x', { details: { retryAfterS: 2.2 } })).headers['retry-after'],
    '3',
  );
  assert.equal(problemOf(new SightlineError('user.refused', 'x', { details: { conflict: true } })).problem.status, 409);
  assert.equal(problemOf(new TypeError('inside')).problem.detail.includes('inside'), false);
});

test('ranges: one is served, what is none or several is the whole file, what lies beyond it is none', () => {
  const cases: readonly (readonly [string | undefined, ReturnType<typeof parseRange>])[] = [
    [undefined, undefined],
    ['bytes=0-9', { start: 0, end: 9 }],
    ['bytes=90-', { start: 90, end: 99 }],
    ['bytes=-5', { start: 95, end: 99 }],
    ['bytes=-500', { start: 0, end: 99 }],
    ['bytes=50-500', { start: 50, end: 99 }],
    ['bytes=100-', 'none'],
    ['bytes=-0', 'none'],
    ['bytes=9-5', undefined],
    ['bytes=0-1,5-6', undefined],
    ['items=0-1', undefined],
    ['bytes=-', undefined],
    ['bytes=99999999999999999999-', undefined],
  ];
  for (const [header, range] of cases) assert.deepEqual(parseRange(header, 100), range, String(header));
  assert.equal(parseRange('bytes=0-', 0), 'none');
});

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadInference, loadRepository } from '../../src/config/load.ts';
import { parseHeaderLines } from '../../src/core/request-headers.ts';
import { configOf, issuesOf } from '../support/config.ts';
import { temporaryDirectory } from '../support/directory.ts';

describe('headers in a file', () => {
  it('are lines of name and value; names in lower case as gRPC has them, empty lines and remarks left out', () => {
    const text = '# the proxy\r\nAuthorization:  Bearer a:b=c \r\n\ntriton-grpc-protocol-infer-key: x\n';
    assert.deepEqual(parseHeaderLines(text, 'headers.txt'), {
      headers: { authorization: 'Bearer a:b=c', 'triton-grpc-protocol-infer-key': 'x' },
    });
  });

  for (const [text, wrong] of [
    ['x: 1\nhunter2', 'headers.txt:2: there is no colon in this line; expected name: value'],
    ['hunter 2: 1', 'headers.txt:1: what is before the colon is not allowed; expected the name of a header: '],
    ['token: ', 'headers.txt:1: the value of token is not allowed; expected a text of 1 to 4096 printable ASCII'],
    ['token: hunter2ü', 'headers.txt:1: the value of token is not allowed; expected a text of 1 to 4096 printable ASCII'],
    ['token: hunter2\nTOKEN: hunter2', 'headers.txt:2: token is written twice; keep one of them'],
  ] as const) {
    it(`are refused without their value: ${JSON.stringify(text)}`, () => {
      const read = parseHeaderLines(text, 'headers.txt');
      assert.ok('wrong' in read && read.wrong.startsWith(wrong), JSON.stringify(read));
      assert.doesNotMatch(read.wrong, /hunter/);
    });
  }
});

describe('inference.headers', () => {
  const written = (yaml: string) => `inference: { headers: ${yaml} }`;

  it('may hold what the environment has', () => {
    const { inference } = configOf(written('{ authorization: "Bearer ${TOKEN}" }'), { env: { TOKEN: 'hunter2' } }).config;
    assert.deepEqual(inference.headers, { authorization: 'Bearer hunter2' });
    assert.deepEqual(configOf(written('')).config.inference.headers, {});
  });

  it('need no variable where only the repository is asked for', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 's.yaml');
    await writeFile(file, 'inference: { repository: /models, headers: { authorization: "${NOT_SET}" } }');
    assert.equal(loadRepository(file, {}), '/models');
    assert.throws(() => loadInference(file, {}), { code: 'config.invalid', message: /variable NOT_SET is not set/ });
  });

  for (const name of ['Authorization', 'grpc-timeout', 'token-bin', 'content-type', ':path', 'a b', 'traceparent', '']) {
    it(`are not named ${JSON.stringify(name)}`, () => {
      const [issue, ...more] = issuesOf(written(`{ ${JSON.stringify(name)}: x }`));
      assert.match(issue ?? '', /^1:25 inference\.headers\S*.* is not allowed; expected the name of a header: 1 to 128 of a-z/);
      assert.deepEqual(more, []);
    });
  }

  for (const value of ['" hunter2"', '"hunter2\\n"', '"hunter2ü"', '""', '[hunter2]', '{ hunter2: hunter2 }']) {
    it(`never show a value that is refused: ${value}`, () => {
      const [issue, ...more] = issuesOf(written(`{ token: ${value} }`));
      assert.match(issue ?? '', /^1:32 inference\.headers\.token: .*not allowed; expected a text of 1 to 4096 printable ASCII/);
      assert.doesNotMatch(issue ?? '', /hunter2/);
      assert.deepEqual(more, []);
    });
  }
});

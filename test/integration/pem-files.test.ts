import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type PemFiles, readPemFiles } from '../../src/core/pem-files.ts';
import { makeCertificates } from '../support/certificates.ts';
import { temporaryDirectory } from '../support/directory.ts';

describe('files of certificates', () => {
  it('are read as they are, chains too, and what is wrong with one names it', async () => {
    await using certificates = await makeCertificates();
    await using others = await makeCertificates();
    await using directory = await temporaryDirectory();
    const { caFile, client } = certificates;
    const [ca, other] = await Promise.all([readFile(caFile), readFile(others.caFile)]);
    const made = async (name: string, ...parts: readonly (string | Uint8Array)[]) => {
      const file = join(directory.path, name);
      await writeFile(file, Buffer.concat(parts.map((part) => Buffer.from(part))));
      return file;
    };
    const both = await made('both.pem', '# two authorities\n', ca, '\n', other);
    const { texts, troubles } = await readPemFiles({ caFile: both, ...client }, (setting) => `mqtt.${setting}`);
    assert.deepEqual(troubles, []);
    assert.deepEqual(texts, {
      ca: await readFile(both),
      cert: await readFile(client.certFile),
      key: await readFile(client.keyFile),
    });

    const broken = await made('broken.pem', ca, other.subarray(0, other.length / 2));
    const pipe = join(directory.path, 'pipe');
    // Nobody writes to it.
    await promisify(execFile)('mkfifo', [pipe]);
    const wrong: readonly (readonly [PemFiles, string, string])[] = [
      [{ caFile: join(directory.path, 'gone.pem') }, 'caFile', 'there is no such file'],
      [{ caFile: directory.path }, 'caFile', 'it is a folder'],
      [{ caFile: '/dev/null' }, 'caFile', 'it is no regular file'],
      [{ certFile: pipe, keyFile: client.keyFile }, 'certFile', 'it is no regular file'],
      [{ caFile: await made('empty.pem') }, 'caFile', 'it holds no certificate in PEM'],
      [{ caFile: client.keyFile }, 'caFile', 'it holds no certificate in PEM'],
      [{ caFile: broken }, 'caFile', 'certificate 2 of 2 in it cannot be read'],
      [{ certFile: broken, keyFile: client.keyFile }, 'certFile', 'certificate 2 of 2 in it cannot be read'],
      [{ ...client, keyFile: caFile }, 'keyFile', 'it holds no private key in PEM that needs no passphrase'],
      [{ ...client, keyFile: others.client.keyFile }, 'keyFile', 'it is not the key of the certificate in --cert'],
    ];
    for (const [files, setting, says] of wrong) {
      const [first] = (await readPemFiles(files, () => '--cert')).troubles;
      assert.deepEqual([first?.setting, first?.says], [setting, says], JSON.stringify(files));
    }
  });
});

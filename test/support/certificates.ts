import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from './directory.ts';

const run = promisify(execFile);

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Certificates extends AsyncDisposable {
  readonly caFile: string;
  readonly server: Certificate;
  readonly client: Certificate;
}

/** A certificate authority of its own with a certificate for `localhost` and one for the client `sightline`, by openssl. */
export async function makeCertificates(): Promise<Certificates> {
  const directory = await temporaryDirectory();
  const file = (name: string) => join(directory.path, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-keyout',
    file('ca.key'),
    '-out',
    file('ca.pem'),
    '-subj',
    '/CN=test authority',
  ]);
  async function issue(name: string, extension: string): Promise<Certificate> {
    const certificate = { certFile: file(`${name}.pem`), keyFile: file(`${name}.key`) };
    const request = file(`${name}.csr`);
    await writeFile(file(`${name}.ext`), extension);
    await run('openssl', [
      'req',
      '-new',
      ...key.slice(0, 5),
      '-keyout',
      certificate.keyFile,
      '-out',
      request,
      '-subj',
      `/CN=${name}`,
    ]);
    await run('openssl', [
      ...['x509', '-req', '-in', request, '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2'],
      ...['-extfile', file(`${name}.ext`), '-out', certificate.certFile],
    ]);
    return certificate;
  }
  return {
    caFile: file('ca.pem'),
    server: await issue('localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1'),
    client: await issue('sightline', 'extendedKeyUsage=clientAuth'),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { temporaryDirectory } from './directory.ts';

/** A registry with one image of this machine, over plain HTTP as engines take it from 127.0.0.1. */
export interface ImageRegistry extends AsyncDisposable {
  /** By which the image is pulled. */
  readonly name: string;
  /** Layers drip until then. */
  hurry(): void;
}

const types = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly bytes: Buffer;
}

function blob(mediaType: string, bytes: Buffer): Blob {
  return { mediaType, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, size: bytes.length, bytes };
}

async function read(image: string): Promise<{ readonly config: Blob; readonly layers: readonly Blob[] }> {
  await using directory = await temporaryDirectory();
  const run = promisify(execFile);
  const archive = join(directory.path, 'image.tar');
  await run('docker', ['save', '--output', archive, image]);
  await run('tar', ['--extract', '--file', archive, '--directory', directory.path]);
  const [{ Config, Layers }] = JSON.parse(await readFile(join(directory.path, 'manifest.json'), 'utf8'));
  const bytes = (path: string) => readFile(join(directory.path, path));
  const layers = await Promise.all((Layers as string[]).map(async (path) => blob(types.layer, gzipSync(await bytes(path)))));
  return { config: blob(types.config, await bytes(Config)), layers };
}

export async function startImageRegistry(image: string): Promise<ImageRegistry> {
  const { config, layers } = await read(image);
  const about = ({ bytes: _bytes, ...rest }: Blob) => rest;
  const body = { schemaVersion: 2, mediaType: types.manifest, config: about(config), layers: layers.map(about) };
  const manifest = blob(types.manifest, Buffer.from(JSON.stringify(body)));
  let isHurried = false;

  const server = createServer(async ({ method, url = '' }, response) => {
    const digest = /\/blobs\/(sha256:[0-9a-f]+)$/.exec(url)?.[1];
    const wanted = url.includes('/manifests/') ? manifest : [config, ...layers].find((each) => each.digest === digest);
    if (wanted === undefined) {
      response.writeHead(url === '/v2/' ? 200 : 404).end();
      return;
    }
    const { mediaType, size, bytes } = wanted;
    response.writeHead(200, { 'content-type': mediaType, 'content-length': size, 'docker-content-digest': wanted.digest });
    const isLayer = mediaType === types.layer;
    for (let at = 0; method !== 'HEAD' && at < size; at += 2048) {
      if (isLayer && !isHurried) await wait(20);
      response.write(bytes.subarray(at, at + 2048));
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    name: `127.0.0.1:${port}/sightline/worker:1`,
    hurry: () => {
      isHurried = true;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

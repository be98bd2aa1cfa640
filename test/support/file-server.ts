import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FileRequest {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

export interface FileServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly FileRequest[];
  /** The next requests are answered by these, in order; then files are served as they should be. */
  readonly script: ((request: IncomingMessage, response: ServerResponse) => void)[];
  /** What lies under a path; with `etag` undefined nothing vouches for parts being of one file. */
  readonly files: Map<string, { readonly body: Uint8Array; readonly etag?: string }>;
}

/** An HTTP server on loopback that knows ranges and validators (RFC 9110), and can be told to misbehave. */
export async function startFileServer(): Promise<FileServer> {
  const files: FileServer['files'] = new Map();
  const requests: FileRequest[] = [];
  const script: FileServer['script'] = [];

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const file = files.get(request.url ?? '');
    if (file === undefined) {
      response.writeHead(404).end('no such file');
      return;
    }
    const { body, etag } = file;
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    const ifRange = request.headers['if-range'];
    const headers = etag === undefined ? {} : { etag };
    if (from === undefined || (ifRange !== undefined && ifRange !== etag)) {
      response.writeHead(200, { ...headers, 'content-length': body.length }).end(body);
    } else if (Number(from) >= body.length) {
      response.writeHead(416, { ...headers, 'content-range': `bytes */${body.length}` }).end();
    } else {
      const part = body.subarray(Number(from));
      const range = `bytes ${from}-${body.length - 1}/${body.length}`;
      response.writeHead(206, { ...headers, 'content-range': range, 'content-length': part.length }).end(part);
    }
  }

  const server = createServer((request, response) => {
    requests.push({ path: request.url ?? '', range: request.headers.range, ifRange: request.headers['if-range']?.toString() });
    (script.shift() ?? serve)(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    script,
    files,
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

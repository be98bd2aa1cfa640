import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';

/** What one span of a server says: the part of OTLP's JSON that tests look at. */
const batch = z.object({
  resourceSpans: z.array(
    z.object({
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              name: z.string(),
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
            }),
          ),
        }),
      ),
    }),
  ),
});

export type Span = z.output<typeof batch>['resourceSpans'][number]['scopeSpans'][number]['spans'][number];

export interface TraceCollector extends AsyncDisposable {
  readonly spans: readonly Span[];
  /** With which a Triton server sends its traces here, those that are asked for by a request alone. */
  readonly flags: readonly string[];
}

/** Takes traces of servers over OTLP/HTTP in JSON, as Jaeger or an OpenTelemetry collector does. */
export async function startTraceCollector(): Promise<TraceCollector> {
  const spans: Span[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { resourceSpans } = batch.parse(JSON.parse(Buffer.concat(chunks).toString()));
      spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans).flatMap((scope) => scope.spans));
      response.end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const settings = [
    'mode=opentelemetry',
    'level=TIMESTAMPS',
    // Of its own accord hardly ever.
    'rate=1000000',
    `opentelemetry,url=127.0.0.1:${port}/v1/traces`,
    'opentelemetry,bsp_schedule_delay=100',
  ];
  return {
    spans,
    flags: settings.map((setting) => `--trace-config=${setting}`),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

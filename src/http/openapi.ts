import type { z } from 'zod';
import { descriptionMeaning } from '../core/descriptions.ts';
import { type AnswerSpec, type AnyRoute, routeName } from './api/route.ts';
import { createSchemaWriter, type Json, type SchemaWriter } from './json-schema.ts';
import { problemMedia, problemSchema } from './problem.ts';

/** OpenAPI 3.1 of the table of routes. What it says of a schema is what the server checks. */

function accessText({ access }: AnyRoute): string {
  if (access === 'open') return 'Open to everybody.';
  return access === 'any' ? 'Needs a login.' : `Needs the permission \`${access}\`.`;
}

function parameters(where: 'path' | 'query', schema: z.ZodType | undefined, write: SchemaWriter): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = write.told(schema) as {
    properties?: Readonly<Record<string, Json>>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: property,
  }));
}

function content({ json, media }: AnswerSpec, write: SchemaWriter): Json {
  if (json !== undefined) return { content: { 'application/json': { schema: write.said(json) } } };
  if (media === undefined) return {};
  return { content: { [media]: /^(text|application\/json)/.test(media) ? { schema: {} } : {} } };
}

function operation(route: AnyRoute, write: SchemaWriter): Json {
  const { group, says, params, query, body, answers } = route;
  const all = [...parameters('path', params, write), ...parameters('query', query, write)];
  return {
    operationId: routeName(route),
    tags: [group],
    summary: says,
    description: accessText(route),
    ...(route.access === 'open' ? { security: [] } : {}),
    ...(all.length === 0 ? {} : { parameters: all }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: { 'application/json': { schema: write.told(body) } },
          },
        }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, spec]) => [status, { description: spec.says, ...content(spec, write) }]),
      ),
      default: { $ref: '#/components/responses/Problem' },
    },
  };
}

export function openApi(routes: readonly AnyRoute[], version: string): Json {
  const write = createSchemaWriter();
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = paths[route.path] ?? {};
    path[route.method.toLowerCase()] = operation(route, write);
    paths[route.path] = path;
  }
  const groups = [...new Set(routes.map(({ group }) => group))];
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sightline',
      version,
      summary: 'Cameras, alerts, watchlist and health of a Sightline daemon.',
      description:
        "Scores are similarities, never identifications. Times are milliseconds since 1970-01-01T00:00:00Z. Everything that is of a camera is bounded by the caller's list of cameras. With the session cookie every method but GET and HEAD needs the header X-CSRF with the value of GET /api/v1/session; with a token it does not.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ session: [] }, { token: [] }],
    tags: groups.map((name) => ({ name })),
    paths,
    components: {
      schemas: write.named,
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: 'sightline' },
        token: { type: 'http', scheme: 'bearer', description: 'A token of POST /api/v1/tokens.' },
      },
      responses: {
        Problem: {
          description: 'Anything that is no success (RFC 9457).',
          content: { [problemMedia]: { schema: write.said(problemSchema) } },
        },
      },
    },
  };
}

/** docs/api.md: the same for people. */
export function apiText(routes: readonly AnyRoute[]): string {
  const write = createSchemaWriter();
  const groups = [...new Set(routes.map(({ group }) => group))];
  const tables = groups.map((group) => {
    const rows = routes
      .filter((route) => route.group === group)
      .map((route) => {
        const query = parameters('query', route.query, write).map(({ name }) => String(name));
        const address = `${route.path}${query.length === 0 ? '' : `?${query.join('&')}`}`;
        const needs = route.access === 'open' ? 'nothing' : route.access === 'any' ? 'a login' : `\`${route.access}\``;
        const answers = Object.entries(route.answers).map(([status, { media, json }]) =>
          `${status} ${json === undefined ? (media ?? '') : 'JSON'}`.trim(),
        );
        return `| \`${route.method} ${address}\` | ${needs} | ${route.says} | ${answers.join(', ')} |`;
      });
    return `## ${group}\n\n| route | needs | | answers |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `# HTTP API

Generated from the table of routes in \`src/http/\` by \`npm run gen\`. \`docs/openapi.json\` has every field (OpenAPI 3.1), a running daemon
serves it as \`/api/v1/openapi.json\`; \`docs/asyncapi.json\` has MQTT, the live feed (WebSocket) and the events (AsyncAPI 3.0).

- **Login.** The session cookie of \`POST /api/v1/session\`, or a token as \`Authorization: Bearer TOKEN\`. With the cookie every method but GET
  and HEAD needs the header \`X-CSRF\` with the \`csrf\` of \`GET /api/v1/session\`.
- **Cameras.** Whatever is of a camera is bounded by the caller's list of cameras: alerts and cameras beyond it are not there (404). An alert
  is of the camera whose sighting it describes.
- **Problems.** Whatever is no success is \`application/problem+json\` (RFC 9457) with the error \`code\` of [operations.md](operations.md):
  401 nobody, 403 not allowed, 404 not there, 409 not in this state, 422 refused, 429 too often (\`Retry-After\`), 503 not now.
- **Times** are milliseconds since 1970-01-01T00:00:00Z. In an address they may be written as \`2026-11-22T14:03:00Z\` too, or as a date alone,
  which is its midnight UTC.
- **Pages.** \`{items, cursor}\`: the cursor gives the next page; the last one has none.
- **Pictures and clips** have an \`ETag\`; clips take \`Range\`.
- **A similarity, not an identification.** Show it as such wherever a name is shown. Of kind \`description\` it is ${descriptionMeaning}.

## An example

A token is made on the machine itself, and shown this once ([access.md](access.md) has other ways and what each scope allows):

\`\`\`
export TOKEN="$(bin/sightline users token example --scopes live,alerts.read,alerts.act)"
curl -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:8080/api/v1/alerts?from=2026-11-22T00:00:00Z&open=true&limit=1'
\`\`\`

\`\`\`json
{"items": [{"id": "0b9e…", "rule": "default", "state": "opened", "entry": {"id": "5c1d…", "name": "Ada", "list": "watched"}, "camera": "lobby",
  "score": 0.71, "threshold": 0.51, "firstSeenAt": 1795356180000, "steps": [{"state": "opened", "at": 1795356180640, "actor": "sightline"}], …}],
 "cursor": "WzE3OT…"}
\`\`\`

\`\`\`
curl -H "Authorization: Bearer $TOKEN" -o alert.jpg http://127.0.0.1:8080/api/v1/alerts/ID/snapshot
curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{}' http://127.0.0.1:8080/api/v1/alerts/ID/acknowledge
curl -H "Authorization: Bearer $TOKEN" -N http://127.0.0.1:8080/api/v1/events
bin/sightline users token example --remove
\`\`\`

${tables.join('\n')}`;
}

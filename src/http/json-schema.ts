import { z } from 'zod';

/** JSON Schema (2020-12) of what is sent and what is said, with the schemas that have a name (`meta({id})`) in one place. */

export type Json = { [key: string]: unknown };

export interface SchemaWriter {
  /** What we say. Open: later fields of the same version must not break a reader. */
  said(schema: z.ZodType): Json;
  /** What we are told. Closed: a field misspelt is told. */
  told(schema: z.ZodType): Json;
  /** The named ones so far, for `components.schemas`. */
  readonly named: Readonly<Record<string, Json>>;
}

export function createSchemaWriter(): SchemaWriter {
  const named: Record<string, Json> = {};

  function write(schema: z.ZodType, io: 'input' | 'output'): Json {
    const written = z.toJSONSchema(schema, {
      io,
      override: ({ jsonSchema }) => {
        if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      },
    });
    const { $schema: _dialect, $defs = {}, id, ...rest } = referring(written) as Json & { $defs?: Record<string, Json> };
    for (const [name, { id: _own, ...schema }] of Object.entries($defs)) named[name] = schema;
    if (typeof id !== 'string') return rest;
    named[id] = rest;
    return { $ref: `#/components/schemas/${id}` };
  }

  return { said: (schema) => write(schema, 'output'), told: (schema) => write(schema, 'input'), named };
}

/** References among the named schemas, as they are once those lie in `components`. */
function referring(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(referring);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      key === '$ref' && typeof item === 'string'
        ? [key, item.replace('#/$defs/', '#/components/schemas/')]
        : [key, referring(item)],
    ),
  );
}

import { apiText, openApi } from '../http/openapi.ts';
import { allRoutes } from '../http/table.ts';
import { asyncApi } from './asyncapi.ts';

/** The documents of the API, written from the code. `npm run gen` writes them to docs/, a running daemon serves them. */

const version = '1.0.0';

function text(document: object): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** Made when somebody asks. */
export function createDocuments(): { readonly openapi: string; readonly asyncapi: string } {
  let openapi: string | undefined;
  let asyncapi: string | undefined;
  return {
    get openapi() {
      openapi ??= text(openApi(allRoutes, version));
      return openapi;
    },
    get asyncapi() {
      asyncapi ??= text(asyncApi(version));
      return asyncapi;
    },
  };
}

export function documentFiles(): readonly { readonly path: string; readonly text: string }[] {
  const { openapi, asyncapi } = createDocuments();
  return [
    { path: 'docs/openapi.json', text: openapi },
    { path: 'docs/asyncapi.json', text: asyncapi },
    { path: 'docs/api.md', text: apiText(allRoutes) },
  ];
}

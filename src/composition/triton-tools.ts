import { modelsInUse } from '../config/check-inference.ts';
import { loadConfigFile } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { ConfiguredTriton, TritonTools } from '../core/triton-tools.ts';
import { renderRepository } from '../inference/render.ts';
import { checkTriton } from '../inference/triton-check.ts';

/** What `sightline triton` asks for. `config` is read when it is asked what it says. */
export function createTritonTools(
  where: { readonly repository: string; readonly config?: string },
  env: Readonly<Record<string, string | undefined>>,
): TritonTools {
  const { repository, config } = where;
  return {
    repository,
    ...(config === undefined ? {} : { configured: () => configuredTriton(loadConfigFile(config, env).config) }),
    check: checkTriton,
    render: renderRepository,
  };
}

/** What a configuration says of its servers, as tools ask for it. */
export function configuredTriton(config: Config): ConfiguredTriton {
  const { url: urls, caFile, certFile, keyFile, headers } = config.inference;
  return {
    urls,
    tls: {
      ...(caFile === undefined ? {} : { ca: caFile }),
      ...(certFile === undefined ? {} : { cert: certFile }),
      ...(keyFile === undefined ? {} : { key: keyFile }),
    },
    headers,
    models: modelsInUse(config),
  };
}

import { errorText, isAbort, isSightlineError, SightlineError } from '../core/errors.ts';
import { type PemTexts, readPemFiles } from '../core/pem-files.ts';
import type { CheckedModel, CheckedServer, TritonCheckRequest } from '../core/triton-tools.ts';
import { parseTritonUrl, type TritonUrl } from '../core/triton-url.ts';
import type { RepositoryIndexResponse_ModelIndex } from '../gen/inference/grpc_service.ts';
import { describeModel, listModels } from './repository.ts';
import { addressText, type TritonAddress } from './triton-address.ts';
import { type CallSettings, TritonClient } from './triton-client.ts';
import { servedContract } from './triton-contract.ts';
import { BadAnswer, firstLine, grpcCodes, TritonStatus } from './triton-failures.ts';
import { serversAt } from './triton-names.ts';

type ModelIndex = RepositoryIndexResponse_ModelIndex;

/** Holds every server behind an address against a repository. Rejects as `TritonTools.check` says. */
export async function checkTriton(request: TritonCheckRequest, signal: AbortSignal): Promise<readonly CheckedServer[]> {
  const url = readUrl(request.url);
  const tls = await readTls(request.tls, url.tls);
  const all = await listModels(request.repository);
  const unknown = request.models?.find((name) => !all.includes(name));
  // Rejects, naming the models that there are.
  if (unknown !== undefined) await describeModel(request.repository, unknown, 'triton');
  const servers: CheckedServer[] = [];
  for (const address of await serversAt(url)) servers.push(await checkServer(address, tls, all, request, signal));
  const [first] = servers;
  if (first?.problem !== undefined && servers.every(({ problem }) => problem !== undefined))
    throw new SightlineError('inference.unavailable', servers.map(({ problem }) => problem).join('; '), {
      details: { servers: servers.map(({ server }) => server) },
    });
  return servers;
}

/** Here it is an argument, not a setting. */
export function readUrl(text: string): TritonUrl {
  try {
    return parseTritonUrl(text);
  } catch (error) {
    if (isSightlineError(error, 'config.invalid')) throw new SightlineError('cli.usage', error.message);
    throw error;
  }
}

const optionOf = { caFile: '--ca', certFile: '--cert', keyFile: '--key' } as const;

/** Rejects with `cli.usage` for files that hold no such thing, and for certificates without TLS. */
export async function readTls(files: TritonCheckRequest['tls'], encrypted: boolean): Promise<PemTexts | undefined> {
  if (files === undefined) return undefined;
  if (!encrypted) throw new SightlineError('cli.usage', 'certificates go with TLS; write grpcs://host:port, or leave them out');
  const { ca: caFile, cert: certFile, key: keyFile } = files;
  const { texts, troubles } = await readPemFiles({ caFile, certFile, keyFile }, (setting) => optionOf[setting]);
  const [trouble] = troubles;
  if (trouble === undefined) return texts;
  const { setting, path, says } = trouble;
  throw new SightlineError('cli.usage', `${optionOf[setting]} ${path}: ${says}`, { details: { file: path } });
}

async function checkServer(
  address: TritonAddress,
  tls: PemTexts | undefined,
  all: readonly string[],
  request: TritonCheckRequest,
  signal: AbortSignal,
): Promise<CheckedServer> {
  const server = addressText(address);
  const settings: CallSettings = { timeoutMs: request.timeoutMs, signal };
  const { headers = {} } = request;
  using client = new TritonClient(address, { headers, ...(tls === undefined ? {} : { tls }) });
  try {
    // What cannot be asked at all is found by the first question, and said once.
    const ready = await client.ready(settings);
    const { version } = await client.metadata(settings);
    const index = await repositoryIndex(client, settings);
    const models: CheckedModel[] = [];
    for (const name of request.models ?? all) models.push(await checkModel(client, name, index, request, settings));
    const others = request.models === undefined ? onlyServed(index, all) : [];
    return { server, version, ready, models: [...models, ...others] };
  } catch (error) {
    if (isAbort(error)) throw error;
    return { server, ready: false, problem: problemText(server, error, address.tls), models: [] };
  }
}

/** Undefined for servers that speak the protocol and have no such call. */
async function repositoryIndex(client: TritonClient, settings: CallSettings): Promise<readonly ModelIndex[] | undefined> {
  try {
    return await client.repositoryIndex(settings);
  } catch (error) {
    if (error instanceof TritonStatus && error.status === grpcCodes.unimplemented) return undefined;
    throw error;
  }
}

async function checkModel(
  client: TritonClient,
  name: string,
  index: readonly ModelIndex[] | undefined,
  request: TritonCheckRequest,
  settings: CallSettings,
): Promise<CheckedModel> {
  const nothing = { differences: [], warnings: [] };
  const entries = index?.filter((entry) => entry.name === name);
  let model: Awaited<ReturnType<typeof describeModel>>;
  try {
    model = await describeModel(request.repository, name, 'triton');
  } catch (error) {
    if (!(error instanceof SightlineError)) throw error;
    // Nobody asked for it: a broken description of something else is no fault of the server.
    if (request.models === undefined && entries?.length === 0)
      return { model: name, versions: [], state: 'not needed', ...nothing };
    return { model: name, versions: [], state: 'invalid', differences: [error.message], warnings: [] };
  }
  const isWanted = request.models !== undefined || model.weights !== undefined;
  const versions = model.version === '' ? [] : [model.version];
  // Under --model-control-mode=explicit the index has what could be loaded, too.
  if (entries?.every(({ state, reason }) => state === '' || reason === 'unloaded')) {
    if (!isWanted) return { model: name, versions, state: 'not needed', ...nothing };
    const remedy =
      entries.length > 0
        ? `the server has not loaded it; start it with --load-model=${name}`
        : `put its folder${versions.map((version) => ` with version ${version}`).join('')} into the server’s repository; sightline triton render writes one`;
    return { model: name, versions, state: 'not served', differences: [remedy], warnings: [] };
  }
  if (!(await client.modelReady(name, '', settings))) {
    if (entries === undefined && !isWanted) return { model: name, versions, state: 'not needed', ...nothing };
    return { model: name, versions, state: 'not ready', differences: reasons(entries ?? []), warnings: [] };
  }
  const { differences, warnings } = servedContract(
    model,
    await client.modelMetadata(name, '', settings),
    await client.modelConfig(name, '', settings),
  );
  const served = (entries ?? []).filter(({ state }) => state === 'READY').map(({ version }) => version);
  return {
    model: name,
    versions: served.length === 0 ? versions : served,
    state: differences.length === 0 ? 'fits' : 'differs',
    differences,
    warnings,
  };
}

function reasons(entries: readonly ModelIndex[]): readonly string[] {
  const said = entries.map(({ version, state, reason }) =>
    [version === '' ? '' : `version ${version}`, state === '' ? 'not loaded' : state, firstLine(reason)]
      .filter((part) => part !== '')
      .join(': '),
  );
  return said.length === 0 ? ['the server does not say why'] : said;
}

function onlyServed(index: readonly ModelIndex[] | undefined, names: readonly string[]): readonly CheckedModel[] {
  const others = new Set((index ?? []).map(({ name }) => name).filter((name) => !names.includes(name)));
  return [...others].sort().map((model) => {
    const entries = (index ?? []).filter(({ name }) => name === model);
    const versions = entries.map(({ version }) => version).filter((version) => version !== '');
    const unready = entries.filter(({ state }) => state !== 'READY');
    return { model, versions, state: 'server only', differences: [], warnings: unready.length === 0 ? [] : reasons(unready) };
  });
}

/** Why a server could not be asked, and what to do about it; `patience` is what makes us wait longer. Pure. */
export function problemText(
  server: string,
  error: unknown,
  tls: boolean,
  patience = ': --timeout SECONDS waits longer',
): string {
  // What grpc-js puts round the reason of a connection that it could not make.
  const text = firstLine(errorText(error)).replace(
    /No connection established\. Last error: (?:Error: )?|\bno connection: |\.?\s*Resolution note:\s*|(?<=Deadline exceeded after [\d.]+s),.*$/g,
    '',
  );
  if (error instanceof BadAnswer) return `${server}: ${text}`;
  if (!(error instanceof TritonStatus)) return `${server} gave an answer that cannot be read: ${text}`;
  const said = `no answer from a Triton server at ${server}: ${text}`;
  if (/certificate|altnames|self.signed/i.test(text))
    return `${said}; --ca FILE names the authority of its certificate, --cert and --key are what it may ask for`;
  if (/wrong version number|EPROTO|SSL routines/i.test(text)) return `${said}; it speaks no TLS there: leave grpcs:// out`;
  if (/protocol is restricted/.test(text))
    return `${said}; its --grpc-restricted-protocol keeps health and metadata from us: --header-file FILE has what it asks for`;
  if (error.status === grpcCodes.unauthenticated || error.status === grpcCodes.permissionDenied)
    return `${server} lets nobody in without a login: ${text}; --header-file FILE has the token that it, or a proxy before it, asks for`;
  if (error.status === grpcCodes.deadlineExceeded) return `${said}; it may be busy or hang${patience}`;
  if (error.status !== grpcCodes.unavailable) return said;
  const other = tls ? '' : ', and with grpcs:// in front where it wants TLS';
  return `${said}; start it, wait until it has loaded its models, or name its gRPC port (8001 unless set, 8000 is HTTP)${other}`;
}

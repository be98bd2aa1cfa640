import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { configSchema } from '../../src/config/schema.ts';
import { containerPaths } from '../../src/workers/container-spec.ts';
import { desiredWorkers } from '../../src/workers/plan.ts';
import { containerNamed, type PodContainer, podsOf, type Resource, readKubernetes } from '../support/kubernetes.ts';

/** deploy/kubernetes against Kubernetes' own schema, and against what the program does. No cluster has seen it in a test. */

const schema = JSON.parse(readFileSync(resolve(import.meta.dirname, '../fixtures/kubernetes/schema.json'), 'utf8'));
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema(schema);

function nameOf({ apiVersion, kind }: Resource): string {
  const group = apiVersion === 'v1' ? 'core.v1' : apiVersion.replace('.k8s.io', '').replace('/', '.');
  return `io.k8s.api.${group}.${kind}`;
}

/** As `kubectl apply --validate=strict` has it: what is not known is wrong too. */
function troubles(resource: Resource): readonly string[] {
  const validate = ajv.getSchema(`${schema.$id}#/$defs/${nameOf(resource)}`);
  if (validate === undefined) return [`no schema of ${nameOf(resource)}`];
  validate(resource);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe('deploy/kubernetes/sightline.yaml', () => {
  const resources = readKubernetes();
  const daemon = containerNamed(resources, 'sightline');
  const deepstream = containerNamed(resources, 'deepstream-main');
  const config = configSchema.parse(parse(resources.find(({ kind }) => kind === 'ConfigMap')?.data?.['sightline.yaml'] ?? ''));
  const folderOf = ({ volumeMounts = [] }: PodContainer, volume: string) => volumeMounts.find(({ name }) => name === volume);

  it('is what Kubernetes knows', () => {
    assert.deepEqual(
      resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
      [
        'ConfigMap sightline',
        'Service sightline',
        'StatefulSet sightline',
        'PersistentVolumeClaim sightline-models',
        'Deployment sightline-triton',
        'Service sightline-triton',
        'NetworkPolicy sightline-triton',
      ],
    );
    for (const resource of resources) assert.deepEqual(troubles(resource), [], resource.metadata.name);
  });

  it('would not be with a word that Kubernetes does not know, or a value of another kind', () => {
    const [claim] = resources.filter(({ kind }) => kind === 'PersistentVolumeClaim');
    assert.ok(claim);
    assert.deepEqual(troubles({ ...claim, spec: { ...claim.spec, acessModes: [] } } as Resource), [
      '/spec must NOT have additional properties',
    ]);
    assert.deepEqual(troubles({ ...claim, metadata: { name: 7 } } as unknown as Resource), [
      '/metadata/name must be string,null',
    ]);
  });

  it('has a container for each worker that its configuration asks for, in the folder that the daemon writes', () => {
    assert.equal(config.deepstream.start, 'attached');
    const workers = desiredWorkers(config.cameras).map(({ worker }) => worker);
    assert.deepEqual(workers, ['deepstream-main']);
    for (const worker of workers) assert.equal(folderOf(containerNamed(resources, worker), 'settings')?.subPath, worker);
    const { run, settings, cudaCache } = containerPaths;
    assert.deepEqual(
      ['run', 'settings', 'cuda'].map((volume) => folderOf(deepstream, volume)?.mountPath),
      [run, settings, cudaCache],
    );
    assert.deepEqual(
      ['data', 'run', 'settings'].map((volume) => folderOf(daemon, volume)?.mountPath),
      ['', '/run', '/deepstream'].map((folder) => `${config.dataDir}${folder}`),
    );
  });

  it('gives containers what they are given elsewhere: no rights, a root that cannot be written, GPUs by what NVIDIA calls them', () => {
    for (const { containers, initContainers = [], securityContext } of podsOf(resources)) {
      assert.equal(securityContext?.['runAsNonRoot'], true);
      for (const { name, securityContext: own } of [...initContainers, ...containers]) {
        const { allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities } = own ?? {};
        assert.deepEqual(
          [allowPrivilegeEscalation, readOnlyRootFilesystem, capabilities],
          [false, true, { drop: ['ALL'] }],
          name,
        );
      }
    }
    assert.equal(deepstream.resources?.limits?.['nvidia.com/gpu'], 1);
    assert.deepEqual(Object.fromEntries((deepstream.env ?? []).map(({ name, value }) => [name, value])), {
      HOME: '/tmp',
      CUDA_CACHE_PATH: containerPaths.cudaCache,
      NVIDIA_DRIVER_CAPABILITIES: 'compute,video,utility',
    });
    for (const volume of ['run', 'settings']) assert.equal(folderOf(deepstream, volume)?.readOnly, true, volume);
  });

  it('has each mount’s volume, and each service’s port, and where they are listened on', () => {
    for (const { spec, metadata } of resources) {
      const pod = spec?.template?.spec;
      const claims = (spec?.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => name);
      const volumes = [...claims, ...(pod?.volumes ?? []).map(({ name }) => name)];
      for (const { volumeMounts = [] } of [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])])
        for (const { name } of volumeMounts) assert.ok(volumes.includes(name), `${metadata.name}: ${name}`);
    }
    const ports = new Map(
      podsOf(resources)
        .flatMap(({ containers }) => containers.flatMap(({ ports: own = [] }) => own))
        .map((port) => [port.name, port.containerPort]),
    );
    for (const { kind, spec } of resources)
      if (kind === 'Service')
        for (const { targetPort, port } of spec?.ports ?? []) assert.ok(ports.has(String(targetPort)), String(port));
    assert.deepEqual([config.http.host, config.http.port], ['0.0.0.0', 8080]);
    assert.deepEqual([config.media.rtsp.host, config.media.rtsp.port, config.media.rtsp.udp], ['0.0.0.0', 8554, false]);
  });

  it('has secrets in a Secret alone', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../deploy/kubernetes/sightline.yaml'), 'utf8');
    const asked = new Set([...text.matchAll(/\$\{([A-Z_]+)\}/g)].map(([, name]) => name));
    const given = (daemon.env ?? []).filter(({ valueFrom }) => valueFrom !== undefined).map(({ name }) => name);
    assert.deepEqual([...asked].toSorted(), given.toSorted());
    assert.ok(!(deepstream.env ?? []).some(({ valueFrom }) => valueFrom !== undefined));
  });
});

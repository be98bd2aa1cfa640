import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** `deploy/kubernetes/sightline.yaml`, as far as tests look into it. */

export interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly subPath?: string;
  readonly readOnly?: boolean;
}

export interface PodContainer {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly livenessProbe?: { readonly exec?: { readonly command: readonly string[] } };
  readonly resources?: { readonly limits?: Readonly<Record<string, string | number>> };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly Mount[];
}

export interface PodSpec {
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly initContainers?: readonly PodContainer[];
  readonly containers: readonly PodContainer[];
  readonly volumes?: readonly { readonly name: string }[];
}

export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly ports?: readonly { readonly name: string; readonly targetPort: string | number; readonly port: number }[];
    readonly template?: { readonly spec: PodSpec };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
  };
}

export function readKubernetes(): readonly Resource[] {
  const text = readFileSync(resolve(import.meta.dirname, '../../deploy/kubernetes/sightline.yaml'), 'utf8');
  return parseAllDocuments(text, { merge: false }).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS() as Resource;
  });
}

export function containerNamed(resources: readonly Resource[], name: string): PodContainer {
  const containers = podsOf(resources).flatMap((pod) => pod.containers);
  const found = containers.find((container) => container.name === name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}

export function podsOf(resources: readonly Resource[]): readonly PodSpec[] {
  return resources.flatMap(({ spec }) => spec?.template?.spec ?? []);
}

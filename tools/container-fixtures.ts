import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readContainerTemplates } from '../src/workers/container-templates.ts';
import { renderContainer } from '../src/workers/render.ts';
import { containerCases, containerFixtures } from '../test/support/containers.ts';

/** Writes test/fixtures/deepstream anew. Read what it changes: those files are what the test of rendering holds to. */

await rm(containerFixtures, { recursive: true, force: true });
for (const [name, input] of Object.entries(await containerCases())) {
  await mkdir(join(containerFixtures, name), { recursive: true });
  for (const [file, text] of renderContainer(input, readContainerTemplates()))
    await writeFile(join(containerFixtures, name, file), text);
}

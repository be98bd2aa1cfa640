import { SightlineError } from '../core/errors.ts';
import type { CatalogueEntry, ModelSet } from '../core/model-shelf.ts';
import { nearest } from '../core/nearest.ts';
import { catalogueEntries } from './catalogue-data.ts';

export function findEntry(model: string, entries: readonly CatalogueEntry[] = catalogueEntries): CatalogueEntry | undefined {
  return entries.find((entry) => entry.model === model);
}

/** The models of a set, in the order of the catalogue; `all` is everything that can be fetched. */
export function modelsOfSet(set: ModelSet | 'all', entries: readonly CatalogueEntry[] = catalogueEntries): readonly string[] {
  return entries
    .filter((entry) => (set === 'all' ? entry.source !== undefined : entry.sets.includes(set)))
    .map(({ model }) => model);
}

/** Rejects what the catalogue does not know, or knows no address for, with the remedy. */
export function requireSource(model: string, entries: readonly CatalogueEntry[] = catalogueEntries) {
  const entry = findEntry(model, entries);
  if (entry === undefined) {
    const known = entries.map((each) => each.model);
    const near = nearest(model, known);
    throw new SightlineError(
      'model.catalogue',
      `the catalogue has no ${model}${near === undefined ? '' : `, did you mean ${near}`}; it has ${known.join(', ')}; weights of your own: sightline models add FILE --as ${model}`,
      { details: { model, known } },
    );
  }
  const { source } = entry;
  if (source === undefined)
    throw new SightlineError('model.catalogue', `${model} has no public address: ${entry.sourceNote ?? 'none is known'}`, {
      details: { model },
    });
  return { entry, source };
}

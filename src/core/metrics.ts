import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Prometheus names begin with `sightline_`; labels are few and never a person, a path or a URL. */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /** A counter that is kept elsewhere: `total` says how far it has come. */
  counted(name: string, help: string, total: () => number): void;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** A gauge that is kept elsewhere: `values` gives what there is now, by the value of its label. */
  gauged<L extends string>(name: string, help: string, label: L, values: () => Iterable<readonly [string, number]>): void;
  histogram<L extends string = never>(
    name: string,
    help: string,
    options: { buckets: readonly number[]; labels?: readonly L[] },
  ): Histogram<L>;
}

/** Asking twice for one name gives the same instrument, so that rooms can be built again without a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const known = new Map<string, unknown>();
  function once<T>(name: string, make: () => T): T {
    const found = known.get(name);
    if (found !== undefined) return found as T;
    const made = make();
    known.set(name, made);
    return made;
  }
  return {
    registry,
    counter: (name, help, labels = []) =>
      once(name, () => new Counter({ name, help, labelNames: [...labels], registers: [registry] })),
    counted: (name, help, total) => {
      function collect(this: Counter): void {
        this.reset();
        this.inc(total());
      }
      once(name, () => new Counter({ name, help, registers: [registry], collect }));
    },
    gauge: (name, help, labels = []) =>
      once(name, () => new Gauge({ name, help, labelNames: [...labels], registers: [registry] })),
    gauged: (name, help, label, values) => {
      function collect(this: Gauge): void {
        this.reset();
        for (const [of, value] of values()) this.set({ [label]: of }, value);
      }
      once(name, () => new Gauge({ name, help, labelNames: [label], registers: [registry], collect }));
    },
    histogram: (name, help, { buckets, labels = [] }) =>
      once(name, () => new Histogram({ name, help, buckets: [...buckets], labelNames: [...labels], registers: [registry] })),
  };
}

/** Names given on the command line, each of which must be one of `allowed`; in the order given. */
export function known<T extends string>(names: readonly string[], allowed: readonly T[], what: string): readonly T[] {
  return names.map((name) => {
    const found = allowed.find((item) => item === name);
    if (found === undefined) throw new Error(`there is no ${what} ${name}; allowed are ${allowed.join(', ')}`);
    return found;
  });
}

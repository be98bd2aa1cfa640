/** A chosen pair: index of the row and of the column. */
export type Pair = readonly [row: number, column: number];

/**
 * The assignment of rows to columns with the least total cost (Hungarian method with potentials, O(n^2 m)). `limit` is the price of
 * leaving a row alone: pairs that cost as much or more are not made, and giving up two poor pairs for a good one is fine.
 */
export function assign(
  rows: number,
  columns: number,
  cost: (row: number, column: number) => number,
  limit: number,
): readonly Pair[] {
  if (rows === 0 || columns === 0) return [];
  if (rows > columns) {
    return assign(columns, rows, (row, column) => cost(column, row), limit).map(([row, column]) => [column, row] as const);
  }
  const price = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) price[row * columns + column] = Math.min(limit, cost(row, column));
  }
  // Index 0 is a column of its own that holds the row being placed; real rows and columns count from 1.
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOfColumn = new Int32Array(columns + 1);
  const previous = new Int32Array(columns + 1);
  const least = new Float64Array(columns + 1);
  const seen = new Uint8Array(columns + 1);

  for (let row = 1; row <= rows; row += 1) {
    rowOfColumn[0] = row;
    least.fill(Number.POSITIVE_INFINITY);
    seen.fill(0);
    let column = 0;
    while (rowOfColumn[column] !== 0) {
      seen[column] = 1;
      const current = rowOfColumn[column] ?? 0;
      let step = Number.POSITIVE_INFINITY;
      let next = 0;
      for (let j = 1; j <= columns; j += 1) {
        if (seen[j] === 1) continue;
        const reduced =
          (price[(current - 1) * columns + j - 1] ?? limit) - (rowPotential[current] ?? 0) - (columnPotential[j] ?? 0);
        if (reduced < (least[j] ?? 0)) {
          least[j] = reduced;
          previous[j] = column;
        }
        if ((least[j] ?? 0) < step) {
          step = least[j] ?? 0;
          next = j;
        }
      }
      for (let j = 0; j <= columns; j += 1) {
        if (seen[j] === 1) {
          const owner = rowOfColumn[j] ?? 0;
          rowPotential[owner] = (rowPotential[owner] ?? 0) + step;
          columnPotential[j] = (columnPotential[j] ?? 0) - step;
        } else {
          least[j] = (least[j] ?? 0) - step;
        }
      }
      column = next;
    }
    while (column !== 0) {
      const before = previous[column] ?? 0;
      rowOfColumn[column] = rowOfColumn[before] ?? 0;
      column = before;
    }
  }
  const pairs: Pair[] = [];
  for (let column = 1; column <= columns; column += 1) {
    const row = rowOfColumn[column] ?? 0;
    if (row > 0 && (price[(row - 1) * columns + column - 1] ?? limit) < limit) pairs.push([row - 1, column - 1]);
  }
  return pairs;
}

/**
 * As many columns as make the pictures (16:9) largest. Pure.
 * @param {number} count @param {number} width @param {number} height pixels
 */
export function columnsFor(count, width, height) {
  let best = 1;
  let widest = 0;
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns);
    const wide = Math.min(width / columns, (height / rows) * (16 / 9));
    // Of two that are as good, side by side.
    if (wide >= widest - 1) {
      widest = wide;
      best = columns;
    }
  }
  return best;
}

/**
 * Looks at one track nearer in time than this count as one, milliseconds of event time: what `alerts/` weighs and what a worker need
 * not wait longer for. Why: docs/decisions/evidence.md.
 */
export const lookMs = 150;

import type { Severity } from './alerts.ts';

/** Colours by severity (Okabe and Ito's palette, told apart by colour-blind people), wherever a box or a list is drawn. */
export const severityColours: Readonly<Record<Severity, string>> = {
  low: '#56b4e9',
  medium: '#f0e442',
  high: '#e69f00',
  critical: '#d55e00',
};
/** Of who matched nobody. */
export const nobodyColour = '#9a9a9a';

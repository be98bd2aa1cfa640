import { exitCodes } from './plan.ts';

/** The files of a container's settings, by name, for one of the Triton servers that it may ask. */
export interface SettingsChoice {
  /** For logs. */
  readonly server: string;
  /** As far as the daemon knows. */
  readonly isReady: boolean;
  readonly files: ReadonlyMap<string, string>;
}

/** One for each server, in the order of the configuration; they differ in nothing else. */
export type SettingsChoices = readonly [SettingsChoice, ...SettingsChoice[]];

/**
 * What a container may be started with, the best first: servers that are ready. Another one than that which failed it, where there is one:
 * a server may be ready for the daemon, and of no use to this container.
 */
export function usableSettings(choices: SettingsChoices, failedAt?: string): readonly SettingsChoice[] {
  const ready = choices.filter(({ isReady }) => isReady);
  const wanted = ready.length > 0 ? ready : choices;
  const others = wanted.filter(({ server }) => server !== failedAt);
  return others.length > 0 ? others : wanted;
}

/** What a container is started with. One that runs stays with the server that it has. */
export function chooseSettings(choices: SettingsChoices, failedAt?: string): SettingsChoice {
  return usableSettings(choices, failedAt)[0] ?? choices[0];
}

/** Whether a container's end may be its Triton server's doing: one that hangs, for this container alone too, looks like a wedge. */
export function isServersFault(exitCode: number | undefined): boolean {
  return exitCode === exitCodes.unavailable || exitCode === exitCodes.wedged;
}

import { channel } from 'node:diagnostics_channel';

/**
 * The way of an alert message from its decision until nothing of it is owed to anybody, step by step. Each is named on a diagnostics
 * channel as it is passed, for whoever has subscribed; nobody does in everyday running, and then a step costs one comparison. The
 * tests end the process there (`test/support/stop-at.ts`).
 */
export const deliverySteps = [
  'decided',
  'transaction begun',
  'transaction written',
  'transaction committed',
  'stored',
  'row read',
  'row taken',
  'publish handed to the socket',
  'puback received',
  'removal begun',
  'removal written',
  'removal committed',
  'row removed',
] as const;

export type DeliveryStep = (typeof deliverySteps)[number];

export interface DeliveryCheckpoint {
  readonly step: DeliveryStep;
  /** `alert id/revision` of the messages it is about; ids of outbox rows for the removal. */
  readonly messages: readonly string[];
}

export const deliveryChannel = 'sightline.delivery';
const checkpoints = channel(deliveryChannel);

interface Message {
  readonly alert: { readonly id: string };
  readonly revision: number;
}

/** Says nothing of a step that is about no message. */
export function passed(step: DeliveryStep, messages: readonly (Message | number)[]): void {
  if (!checkpoints.hasSubscribers || messages.length === 0) return;
  const names = messages.map((message) =>
    typeof message === 'number' ? `row ${message}` : `${message.alert.id}/${message.revision}`,
  );
  checkpoints.publish({ step, messages: names } satisfies DeliveryCheckpoint);
}

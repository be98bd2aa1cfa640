import { randomBytes } from 'node:crypto';
import type { Context } from '../core/context.ts';
import type { DemoFacts, DemoView } from '../core/demo.ts';
import { readTextIfThere } from '../core/read-text.ts';
import type { Scope } from '../core/scope.ts';
import { startDemoBroker } from './broker.ts';
import { type BrokerSettings, type OwnBroker, passwordVariable } from './configuration.ts';
import type { AlertListenerOptions } from './listener.ts';

/** The broker of a demo: the user's own, or one of our own on loopback. */

type Environment = Readonly<Record<string, string | undefined>>;

export interface ChosenBroker {
  readonly address: DemoFacts['broker'];
  readonly baseTopic: string;
  readonly settings: BrokerSettings;
  readonly consumer: Pick<AlertListenerOptions, 'url' | 'username' | 'password' | 'protocolVersion' | 'clientId' | 'baseTopic'>;
  /** Environment of the configuration. */
  readonly env: Environment;
}

const preferredPort = 1883;
/** Of its own: whoever waits for real alerts does not get these. */
const ownTopic = 'sightline-demo';

export async function chooseBroker(
  options: {
    readonly view: DemoView;
    readonly env: Environment;
    /** Undefined: the embedded one. */
    readonly own: OwnBroker | undefined;
    /** Configuration that an earlier demo may have left, whose subscribers are not to be lost. */
    readonly earlier: string;
  },
  scope: Scope,
  ctx: Context,
): Promise<ChosenBroker> {
  const { view, env, own } = options;
  // A client id of another daemon would throw that one off its broker.
  const mark = randomBytes(4).toString('hex');
  const clientId = `sightline-demo-${mark}`;
  const consumer = { clientId: `${clientId}-viewer` };
  if (own !== undefined) {
    const { url, host, port, username, password } = own;
    // Other demos may be on it: nobody takes the alerts or the retained states of another.
    const baseTopic = (await topicIn(options.earlier)) ?? `${ownTopic}/${mark}`;
    return {
      address: { url, host, port, own: true },
      baseTopic,
      settings: { url, ...username, password: password !== undefined, clientId },
      consumer: {
        ...consumer,
        baseTopic,
        url,
        ...username,
        ...(password === undefined ? {} : { password }),
        protocolVersion: 5,
      },
      env: password === undefined ? env : { ...env, [passwordVariable]: password },
    };
  }
  const broker = scope.use('broker', await startDemoBroker({ port: preferredPort }, ctx));
  if (broker.port !== preferredPort)
    view.show({ kind: 'note', text: `port ${preferredPort} is taken: the broker is on ${broker.port}` });
  const url = `mqtt://${broker.host}:${broker.port}`;
  return {
    address: { url, host: broker.host, port: broker.port, own: false },
    baseTopic: ownTopic,
    settings: { url, password: false, clientId, protocol: '3.1.1' },
    consumer: { ...consumer, baseTopic: ownTopic, url, protocolVersion: 4 },
    env,
  };
}

/** The topic of its own that an earlier demo had there. */
async function topicIn(configFile: string): Promise<string | undefined> {
  return /\bbaseTopic: "?(sightline-demo\/[0-9a-f]{8})\b/.exec((await readTextIfThere(configFile)) ?? '')?.[1];
}

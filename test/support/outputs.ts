import { type ConfigInput, configSchema } from '../../src/config/schema.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { MqttTuning } from '../../src/outputs/mqtt.ts';
import type { OutboxTuning } from '../../src/outputs/outbox.ts';
import { type Outputs, startOutputs } from '../../src/outputs/outputs.ts';
import { type AlertMessage, alertMessage } from '../../src/outputs/topics.ts';
import type { Received } from './broker.ts';
import { type TestContext, testContext } from './context.ts';
import { createMemoryOutbox, type MemoryOutbox } from './outbox.ts';

export interface TestOutputs extends AsyncDisposable {
  readonly outputs: Outputs;
  readonly outbox: MemoryOutbox;
  readonly ctx: TestContext;
  /** `performance.now()` before they were started. */
  readonly startedMs: number;
}

/** Outputs on an outbox in memory, below the topic `house`, impatient enough for a test. */
export async function testOutputs(
  mqtt: NonNullable<ConfigInput['mqtt']>,
  options: {
    outbox?: MemoryOutbox;
    liveFor?: string;
    mqtt?: Partial<MqttTuning>;
    tuning?: Partial<OutboxTuning>;
    clock?: Clock;
  } = {},
): Promise<TestOutputs> {
  const startedMs = performance.now();
  const ctx = testContext(options.clock);
  const outbox = options.outbox ?? createMemoryOutbox();
  const config = configSchema.parse({
    mqtt: { baseTopic: 'house', ...mqtt },
    ...(options.liveFor === undefined ? {} : { alerting: { liveFor: options.liveFor } }),
  });
  const outputs = await startOutputs(
    config,
    {
      outbox,
      version: '1.2.3',
      mqttTuning: { retryFirstMs: 20, retryMaxMs: 50, refusedRetryMs: 50, ...options.mqtt },
      outboxTuning: { retryFirstMs: 10, retryMaxMs: 20, ...options.tuning },
    },
    ctx,
  );
  return {
    outputs,
    outbox,
    ctx,
    startedMs,
    async [Symbol.asyncDispose]() {
      await outputs[Symbol.asyncDispose]();
      ctx[Symbol.dispose]();
    },
  };
}

/** The alert messages among what was received, each proved to keep the contract. */
export function alertsIn(messages: readonly Received[], topic: 'alerts' | 'late' = 'alerts'): readonly AlertMessage[] {
  return messages
    .filter((message) => message.topic.startsWith(`house/v1/${topic}/`))
    .map(({ text }) => alertMessage.parse(JSON.parse(text)));
}

import { BinaryReader } from '@bufbuild/protobuf/wire';
import { errorText, SightlineError } from '../core/errors.ts';
import { WorkerMessage } from '../gen/sightline/bridge/v1/bridge.ts';

/**
 * An empty frame is two bytes on the wire and hundreds in memory: a message within the limit of its bytes could take gigabytes and
 * seconds. Messages up to `plainBytes` cannot do harm; longer ones are crops, which are few tags and many bytes.
 */
const wireLimits = { plainBytes: 256 * 1024, numbers: 500_000 } as const;

/** Gives up a message of more tags, lengths and whole numbers than any worker has to say at once. */
class BoundedReader extends BinaryReader {
  constructor(bytes: Uint8Array) {
    super(bytes);
    const read = this.uint32;
    let left: number = wireLimits.numbers;
    this.uint32 = () => {
      left -= 1;
      if (left < 0) throw new Error(`it has more than ${wireLimits.numbers} parts`);
      return read.call(this);
    };
  }
}

/** Throws `bridge.protocol` for bytes that are no message. */
export function decodeWorkerMessage(bytes: Uint8Array): WorkerMessage {
  try {
    return WorkerMessage.decode(bytes.length > wireLimits.plainBytes ? new BoundedReader(bytes) : bytes);
  } catch (cause) {
    throw new SightlineError('bridge.protocol', `a message cannot be read: ${errorText(cause)}`, { cause });
  }
}

import type { Bridge } from '../../src/bridge/server.ts';
import { CameraConfig } from '../../src/gen/sightline/bridge/v1/bridge.ts';
import type { WorkerLink } from '../../src/workers/life.ts';

/** The supervisor's view of a real bridge, with cameras that have no settings. */
export function bridgeLink(bridge: Bridge): WorkerLink {
  return {
    register: (worker, token, events) => {
      let welcomed = false;
      const registered = bridge.register(worker, token, events);
      return {
        configure: (cameras) => {
          registered.setCameras([...cameras.keys()]);
          const configure = {
            cameras: [...cameras.keys()].map((camera) => ({ ...CameraConfig.create(), camera })),
            inference: undefined,
          };
          if (welcomed) registered.send({ $case: 'configure', value: configure });
          else registered.send({ $case: 'welcome', value: { protocolVersion: 1, configure } });
          welcomed = true;
        },
        drain: () => registered.send({ $case: 'drain', value: {} }),
        [Symbol.dispose]: () => registered[Symbol.dispose](),
      };
    },
  };
}

/** Of one camera in a second: more than any that comes and goes has. */
const atOnce = 10;

/**
 * What cameras are told to be, however often their worker says it: ten states of a camera in a second pass at once; beyond that the
 * latest waits for the second to be over, and those it takes the place of are left out. So the last one always passes.
 */
export class StateGate<State> {
  readonly #cameras = new Map<string, { passed: number; held?: State }>();
  readonly #pass: (camera: string, state: State) => void;
  readonly #leftOut: (camera: string) => void;

  constructor(to: { pass(camera: string, state: State): void; leftOut(camera: string): void }) {
    this.#pass = (camera, state) => to.pass(camera, state);
    this.#leftOut = (camera) => to.leftOut(camera);
  }

  take(camera: string, state: State): void {
    const known = this.#cameras.get(camera) ?? { passed: 0 };
    this.#cameras.set(camera, known);
    if (known.passed < atOnce) {
      known.passed += 1;
      this.#pass(camera, state);
      return;
    }
    if (known.held !== undefined) this.#leftOut(camera);
    known.held = state;
  }

  /** A second is over, or the connection. */
  next(): void {
    const cameras = [...this.#cameras];
    this.#cameras.clear();
    for (const [camera, { held }] of cameras) if (held !== undefined) this.take(camera, held);
  }
}

/** A card that DeepStream workers run on, as its driver tells of it, whoever uses it. What the driver does not tell is absent. */
export interface GpuView {
  readonly uuid: string;
  readonly name: string;
  readonly workers: readonly string[];
  /** Shares of the last second in which a kernel ran, and in which pictures were decoded and encoded: 0 to 1. */
  readonly utilization?: number;
  readonly decoder?: number;
  readonly encoder?: number;
  readonly memoryUsedBytes?: number;
  readonly memoryBytes?: number;
  readonly celsius?: number;
}

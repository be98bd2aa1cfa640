/**
 * Weights of the model repository, as the command line handles them: what the catalogue knows, what lies on disk, and how the one
 * becomes the other.
 */

export type ModelSet = 'face' | 'appearance';

export type HashAlgorithm = 'sha256' | 'md5' | 'git-blob';

export interface ModelSource {
  readonly url: string;
  /** Exact, where known. */
  readonly bytes?: number;
  /** Where the exact size is not known. */
  readonly aboutBytes?: number;
  /** What the file must be; absent: unverified, pinned on first use once a person accepts it. */
  readonly hash?: { readonly algorithm: HashAlgorithm; readonly value: string; readonly basis: string };
  /** Whether whoever wrote the catalogue has fetched the file from this very address. */
  readonly tried: boolean;
  /** The published file declares fixed sizes where its network takes any; they are rewritten after the download. */
  readonly freeAxes: boolean;
}

/** Another form of the same weights, recognised by its hash when somebody adds it. */
export interface KnownFile {
  readonly sha256: string;
  readonly bytes: number;
  readonly what: string;
}

export interface CatalogueEntry {
  /** Name of its folder in the model repository. */
  readonly model: string;
  readonly what: string;
  readonly sets: readonly ModelSet[];
  readonly source?: ModelSource;
  /** Why there is no source, and what to do instead. */
  readonly sourceNote?: string;
  readonly licence: string;
  readonly trainingData: string;
  /** What its authors, or its data, do not allow; shown before every download. */
  readonly restrictions?: string;
  readonly knownFiles: readonly KnownFile[];
  /** bench/models.ts; absent where nobody has measured. */
  readonly measured?: { readonly ramMiB: number; readonly msPerRun: number; readonly how: string };
}

/** Written beside the weights: what they were when they came. */
export interface Pin {
  readonly sha256: string;
  readonly bytes: number;
  /** An address, or `file NAME`. */
  readonly source: string;
  /** Of the file as it came, when its sizes were rewritten. */
  readonly cameAs?: string;
  /** `catalogue`: it is what the catalogue says; `accepted`: a person took it as it was. */
  readonly trust: 'catalogue' | 'accepted';
  /** ISO 8601. */
  readonly at: string;
}

export interface ShelfModel {
  readonly model: string;
  readonly entry?: CatalogueEntry;
  /** Bytes of the weights on disk; absent when there are none. */
  readonly bytes?: number;
  readonly pin?: Pin;
  /** Why its `config.pbtxt` cannot be used, or that it has none. */
  readonly problem?: string;
}

export interface VerifiedModel {
  readonly model: string;
  readonly state: 'verified' | 'accepted' | 'unpinned' | 'bad';
  /** What is wrong, or what the weights are known to be. */
  readonly notes: readonly string[];
}

export interface FetchProgress {
  readonly receivedBytes: number;
  readonly totalBytes?: number;
}

export interface ModelShelf {
  readonly repository: string;
  list(): Promise<readonly ShelfModel[]>;
  /**
   * Downloads the weights of one model, checks them and puts them in place. Rejects with `model.catalogue` (no source, not accepted),
   * `model.download`, or `model.invalid` when the network is not what `config.pbtxt` says.
   */
  fetch(
    model: string,
    options: {
      /** Takes a file that nobody has vouched for, and pins it. */
      readonly accept: boolean;
      /** Fetches although there are weights. */
      readonly replace: boolean;
      readonly progress: (progress: FetchProgress) => void;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly outcome: 'fetched' | 'present'; readonly pin?: Pin }>;
  /** Puts a file in place as the weights of a model, if its network is what `config.pbtxt` says. */
  add(
    file: string,
    options: {
      readonly model: string;
      readonly replace: boolean;
      /** Rewrites declared sizes that `config.pbtxt` leaves free. */
      readonly freeAxes: boolean;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly pin: Pin; readonly known?: string }>;
  /** Reads every weight again: hash against pin and catalogue, network against `config.pbtxt`. */
  verify(models: readonly string[], signal: AbortSignal): Promise<readonly VerifiedModel[]>;
}

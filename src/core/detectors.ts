/** Of a DeepStream container: as many as the library has parsers for, `most_detectors` in deepstream/parsers/report.h. */
export const mostContainerDetectors = 8;
/** Of a DeepStream container: `most_cameras` in deepstream/app/settings.cpp. */
export const mostContainerCameras = 64;

/** A detector that cameras are looked at with, in the same state in each of these workers. */
export interface DetectorView {
  readonly model: string;
  readonly state: 'ready' | 'unavailable';
  /** Why it does not work, or where else than it should it runs. */
  readonly reason?: string;
  readonly workers: readonly string[];
}

import type { DetectedObject, DetectOptions, Detector, RgbImage } from '../core/models.ts';
import { scaleImage } from './image.ts';

/** Finds things in a whole picture: scales it to what the detector wants (with antialias) and detects. Boxes in its own pixels. */
export async function detectInPhoto(
  detector: Detector,
  photo: RgbImage,
  options: DetectOptions & { readonly width?: number },
): Promise<readonly DetectedObject[]> {
  const size = detector.contentSize(photo, options.width);
  return detector.detect(await scaleImage(photo, size.width, size.height), photo, options);
}

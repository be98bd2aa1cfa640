import { z } from 'zod';
import { fraction, section, setting } from './declare.ts';

/** Settings of `models`: a part of `schema.ts`. */

const descriptionThreshold = z.strictObject({
  open: setting(
    fraction.optional(),
    'live',
    "Cosine from which a sighting speaks for a description; absent: the model's default.",
    {
      example: 0.28,
    },
  ),
  keep: setting(fraction.optional(), 'live', "Cosine that keeps an open episode; absent: the model's default.", {
    example: 0.25,
  }),
});

const threshold = z.strictObject({
  open: setting(
    fraction.optional(),
    'live',
    "Cosine from which a sighting speaks for an entry; absent: the model's calibrated default.",
    { example: 0.5 },
  ),
  keep: setting(fraction.optional(), 'live', "Cosine that keeps an open episode; absent: the model's default.", {
    example: 0.4,
  }),
  margin: setting(fraction.optional(), 'live', "Least distance to the next entry; absent: the model's default.", {
    example: 0.05,
  }),
});

export const models = z.strictObject({
  face: setting(z.string().min(1).default('face_embed'), 'daemon', 'Embedder for faces.'),
  appearance: setting(z.string().min(1).default('person_embed'), 'daemon', 'Embedder for bodies and clothes.'),
  text: setting(
    z.string().min(1).default('clip_text'),
    'daemon',
    'Embedder for descriptions, in the embedding space of `appearance`; only used with `watchlist.text`.',
  ),
  enrolment: setting(z.string().min(1).default('centerface'), 'daemon', 'Face detector for photos.'),
  enrolmentBody: setting(z.string().min(1).default('yolox_nano'), 'daemon', 'Person detector for photos of bodies.'),
  thresholds: section(
    z
      .strictObject({
        face: section(threshold.prefault({}), 'Of the embedder for faces.'),
        appearance: section(threshold.prefault({}), 'Of the embedder for bodies and clothes.'),
        description: section(
          descriptionThreshold.prefault({}),
          'Of bodies beside descriptions. There is no margin: several descriptions may fit one body.',
        ),
      })
      .prefault({}),
    'Instead of the calibrated thresholds of the embedders (docs/models.md).',
  ),
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixtureModelRepository } from './fixtures.ts';

/** `config.pbtxt` of a fixture without its first lines, for a Python model with the same tensors. */
export function tensorsOf(model: string): string {
  const text = readFileSync(join(fixtureModelRepository, model, 'config.pbtxt'), 'utf8');
  return text.slice(text.indexOf('max_batch_size'));
}

/** A face detector that answers rows and columns which do not belong to what it was asked. */
export const oddFace = `
rows, _, height, width = inputs["input.1"].shape
sizes = {"537": 1, "538": 2, "539": 2, "540": 10}
return pb_utils.InferenceResponse([
    pb_utils.Tensor(name, np.full((rows, depth, height // 4, width // 4 + 1), 0.9, np.float32))
    for name, depth in sizes.items()
])
`;

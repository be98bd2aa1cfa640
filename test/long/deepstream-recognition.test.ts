import { after, before, describe } from 'node:test';
import { type Card, missingCard, startCard } from '../support/card.ts';
import { testRecognitionSets } from '../support/recognition-sets.ts';

const skip = await missingCard();

describe('recognition by cameras in containers: the alerts of the software worker', { skip }, () => {
  let card: Card;
  before(async () => {
    card = await startCard();
  });
  after(() => card?.[Symbol.asyncDispose]());

  testRecognitionSets(() => card);
});

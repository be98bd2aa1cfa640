import { pictures } from './alert-card.js';
import { toast } from './announce.js';
import { change, words } from './api.js';
import { makeDialog } from './dialog.js';
import { add, checkbox, el, field } from './dom.js';
import { may } from './session.js';
import { similarWords, whoWords } from './severity.js';

/**
 * @import { Alert } from '../../../core/alerts.ts'
 * @import { Session } from './session.js'
 */

/** @typedef {Alert & { negative?: { referenceId?: string, refused?: string } }} Answered */

/**
 * @param {Alert} alert
 * @param {'acknowledge' | 'resolve'} step
 * @param {(alert: Alert) => void} done
 */
export async function act(alert, step, done) {
  try {
    done(await change('POST', `alerts/${alert.id}/${step}`, {}));
    toast(step === 'acknowledge' ? `Acknowledged: ${similarWords(alert)}.` : `Resolved: ${similarWords(alert)}.`);
  } catch (error) {
    toast(words(error), 'bad');
  }
}

/**
 * "Not this person": says what it does, asks, and offers to keep the crop as a negative example.
 * @param {Alert} alert
 * @param {Session} session
 * @param {(alert: Alert) => void} done
 */
export function reject(alert, session, done) {
  const who = whoWords(alert);
  const { body, foot, open, close } = makeDialog(`This is not ${who}?`);
  const keep = checkbox('Keep this picture as a negative example');
  const reason = el('input', { maxlength: 2000 });
  const complaint = el('p', { class: 'complaint', role: 'alert' });
  const form = el('form', { id: `reject-${alert.id}`, class: 'stack' });
  add(
    form,
    pictures(alert, session),
    el('p', {}, `The alert is closed as “not this person”. That is final and recorded under your name, ${session.user}.`),
    may(session, 'watchlist.write') &&
      alert.kind !== 'description' &&
      el(
        'div',
        {},
        keep.row,
        el(
          'p',
          { class: 'hint' },
          `The picture of the sighting is stored with ${who}, marked as somebody else. People who look like it raise this alarm less often. It is erased with the entry, or alone on the watchlist page.`,
        ),
      ),
    field('Reason (optional)', reason),
    complaint,
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const given = reason.value.trim();
    change('POST', `alerts/${alert.id}/reject`, {
      ...(given === '' ? {} : { reason: given }),
      negative: keep.input.checked,
    }).then(
      (answer) => {
        const { negative, ...rest } = /** @type {Answered} */ (answer);
        done(rest);
        const refused = negative?.refused;
        if (refused === undefined)
          toast(negative === undefined ? `Closed: not ${who}.` : `Closed: not ${who}. The picture is a negative example now.`);
        else toast(`Closed: not ${who}. The picture could not be kept: ${refused}.`, 'bad');
        close();
      },
      (error) => {
        complaint.textContent = words(error);
      },
    );
  });
  add(body, form);
  add(
    foot,
    el('button', { type: 'button', onclick: close }, 'Cancel'),
    el('button', { type: 'submit', form: form.id, class: 'primary' }, `Not ${who}`),
  );
  open();
}

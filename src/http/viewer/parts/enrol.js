import { toast } from './announce.js';
import { ApiError, change, words } from './api.js';
import { makeDialog } from './dialog.js';
import { add, checkbox, el, field, fill, newId, select } from './dom.js';
import { capital } from './format.js';
import { icon } from './icons.js';
import { base64Of, photoView, webcam, webcamHindrance } from './photo.js';

/**
 * Enrolment: a photo, what is found on it and what is wrong with it, whom it shows, and why they are on a list.
 *
 * @import { EntryRecord } from '../../../core/store.ts'
 * @import { Found } from './photo.js'
 */

/** @typedef {{ width: number, height: number, refusals: readonly string[], faces: readonly Found[] }} Check */

const largestBytes = 20 * 1024 * 1024;

/**
 * @param {{ lists: readonly string[], entry?: EntryRecord, done: (entryId: string) => void }} what with `entry` another picture of it
 */
export function openEnrolment({ lists, entry, done }) {
  /** @type {() => void} */
  let endWebcam = () => {};
  const { body, foot, open, close, dialog } = makeDialog(entry === undefined ? 'Enrol' : `Another picture of ${entry.name}`, {
    wide: true,
    onclose: () => {
      endWebcam();
      if (url !== undefined) URL.revokeObjectURL(url);
    },
  });
  /** @type {{ base64: string, source: string } | undefined} */
  let photo;
  /** @type {string | undefined} */
  let url;
  /** @type {Check | undefined} */
  let check;
  /** @type {number | undefined} */
  let chosen;
  let turn = 0;

  const place = el('div', { class: 'stack' });
  const verdict = el('div', { class: 'stack', role: 'status' });
  const name = el('input', { required: true, maxlength: 200, autocomplete: 'off', value: entry?.name });
  const list = select(lists.map((known) => [known, known]));
  const kind = select([
    ['face', 'Face'],
    ['body', 'Body (clothes and build)'],
  ]);
  const notes = el('textarea', { maxlength: 2000 });
  const reason = el('input', { maxlength: 2000 });
  const expires = el('input', { type: 'date' });
  const accept = checkbox('Take it all the same');
  const complaint = el('p', { class: 'complaint', role: 'alert' });
  const go = el(
    'button',
    { type: 'submit', class: 'primary', disabled: true },
    entry === undefined ? 'Enrol' : 'Add the picture',
  );
  if (entry !== undefined) {
    kind.value = entry.kind;
    list.value = entry.list;
  }
  kind.addEventListener('change', () => void look());
  accept.input.addEventListener('change', () => update());

  const form = el(
    'form',
    { id: newId('enrol'), class: 'stack' },
    verdict,
    entry === undefined && [
      field('Name', name, 'The same name on the same list adds the picture to that entry.'),
      el('div', { class: 'pair-fields' }, field('List', list), field('Compare by', kind)),
      field('Reason', reason, 'Why this person is on the list. It is shown with the entry.'),
      field('Notes', notes),
      field('Expires (optional)', expires, 'Erased by itself after this day.'),
    ],
    complaint,
  );
  go.setAttribute('form', form.id);

  /** What can be chosen, again. */
  const askForPhoto = () => {
    const input = el('input', { type: 'file', accept: 'image/*', id: newId('file'), class: 'unseen' });
    input.addEventListener('change', () => {
      const [file] = input.files ?? [];
      if (file !== undefined) void take(file, file.name);
    });
    const hindrance = webcamHindrance();
    const camera = el('button', { type: 'button', disabled: hindrance !== undefined }, icon('camera'), 'Use the webcam');
    camera.addEventListener('click', () => {
      webcam(place, (picture) => void take(picture, 'webcam.jpg'), askForPhoto).then(
        (end) => {
          endWebcam = end;
        },
        (error) => {
          complaint.textContent =
            error instanceof DOMException && error.name === 'NotAllowedError'
              ? 'The webcam was not allowed; the browser asks again after its permission for this page is changed.'
              : words(error);
        },
      );
    });
    const drop = el(
      'div',
      { class: 'drop' },
      el('p', {}, 'Drop a photo here, paste it, or'),
      el('div', { class: 'row' }, el('button', { type: 'button', onclick: () => input.click() }, 'Choose a file'), camera),
      input,
      el(
        'p',
        { class: 'hint' },
        'JPEG, PNG, WebP, GIF, TIFF or AVIF up to 20 MB. One face, upright, sharp, looking at the camera, at least 80 pixels high.',
      ),
      hindrance !== undefined && el('p', { class: 'hint' }, hindrance),
    );
    input.setAttribute('aria-label', 'Photo');
    input.tabIndex = -1;
    fill(place, drop);
    fill(verdict);
  };

  /** @param {Blob} file @param {string} source */
  const take = async (file, source) => {
    complaint.textContent = '';
    if (file.size === 0) {
      complaint.textContent = 'The file is empty: choose another photo.';
      return;
    }
    if (file.size > largestBytes) {
      complaint.textContent = `The file has ${(file.size / 1e6).toFixed(0)} MB; up to 20 MB are taken.`;
      return;
    }
    if (url !== undefined) URL.revokeObjectURL(url);
    url = URL.createObjectURL(file);
    photo = { base64: await base64Of(file), source };
    await look();
  };

  /** What enrolling it would say. */
  const look = async () => {
    if (photo === undefined) return;
    turn += 1;
    const mine = turn;
    check = undefined;
    chosen = undefined;
    fill(verdict, el('p', {}, 'Looking at the photo …'));
    update();
    try {
      /** @type {Check} */
      const found = await change('POST', 'watchlist/check', { photoBase64: photo.base64, kind: kind.value });
      if (mine !== turn) return;
      check = found;
      chosen = found.faces.length === 1 ? 0 : undefined;
      accept.input.checked = false;
      draw();
    } catch (error) {
      if (mine === turn) fill(verdict, el('p', { class: 'complaint' }, words(error)));
    }
  };

  const draw = () => {
    if (check === undefined || url === undefined) return;
    const { faces, refusals, width, height } = check;
    const what = kind.value === 'face' ? 'face' : 'body';
    const alt = faces.length === 0 ? `Photo; no ${what} was found on it` : `Photo with ${faces.length} found`;
    const choose = (/** @type {number} */ index) => {
      chosen = index;
      accept.input.checked = false;
      draw();
    };
    const again = el(
      'button',
      {
        type: 'button',
        onclick: () => {
          photo = undefined;
          check = undefined;
          askForPhoto();
          update();
        },
      },
      'Another photo',
    );
    fill(place, photoView({ url, alt, width, height, faces, chosen, choose }), el('div', { class: 'row' }, again));
    const group = newId('pick');
    const picks = faces.map((face, index) => {
      const input = el('input', { type: 'radio', name: group, id: newId('face') });
      input.checked = index === chosen;
      input.addEventListener('change', () => {
        choose(index);
        const radio = verdict.querySelectorAll('input[type=radio]')[index];
        if (radio instanceof HTMLElement) radio.focus();
      });
      const says = face.refusals.length === 0 ? 'will do' : face.refusals.join('; ');
      return el(
        'div',
        { class: 'check' },
        input,
        el('label', { for: input.id }, `${capital(what)} ${index + 1} from the left: ${says}`),
      );
    });
    const [only] = faces;
    fill(
      verdict,
      faces.length === 0 && refusals.map((refusal) => el('p', { class: 'complaint' }, capital(refusal))),
      faces.length === 1 &&
        only !== undefined &&
        (only.refusals.length === 0
          ? el('p', { class: 'word good' }, icon('ok'), 'This photo will do')
          : only.refusals.map((refusal) => el('p', { class: 'complaint' }, capital(refusal)))),
      faces.length > 1 && el('fieldset', { class: 'faces' }, el('legend', {}, `Which of the ${faces.length}?`), picks),
      chosenRefusals().length > 0 &&
        el(
          'div',
          {},
          accept.row,
          el(
            'p',
            { class: 'hint' },
            'The picture is marked, and the entry asks for more similarity before it speaks. A better photo is always the better answer.',
          ),
        ),
    );
    update();
  };

  const chosenRefusals = () => (chosen === undefined ? [] : (check?.faces[chosen]?.refusals ?? []));
  const update = () => {
    go.disabled = chosen === undefined || (chosenRefusals().length > 0 && !accept.input.checked);
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (photo === undefined || check === undefined || chosen === undefined) return;
    go.disabled = true;
    complaint.textContent = '';
    const described =
      entry === undefined ? describe() : { name: entry.name, list: entry.list, kind: entry.kind, entryId: entry.id };
    change('POST', 'watchlist', {
      photoBase64: photo.base64,
      source: photo.source.slice(0, 1000),
      ...described,
      ...(check.faces.length > 1 ? { pick: chosen + 1 } : {}),
      acceptQuality: accept.input.checked,
    }).then(
      (answer) => {
        const { entry: made, warnings } = /** @type {{ entry: EntryRecord, warnings: readonly string[] }} */ (answer);
        close();
        toast(`${made.name} is enrolled.`);
        for (const warning of warnings) toast(capital(warning), 'bad');
        done(made.id);
      },
      (error) => {
        update();
        const refusals = error instanceof ApiError && error.code === 'photo.refused' ? error.details['refusals'] : undefined;
        complaint.textContent = Array.isArray(refusals)
          ? refusals.map(({ message }) => capital(String(message))).join('. ')
          : words(error);
      },
    );
  });
  const describe = () => ({
    name: name.value.trim(),
    list: list.value,
    kind: kind.value,
    ...(notes.value.trim() === '' ? {} : { notes: notes.value.trim() }),
    ...(reason.value.trim() === '' ? {} : { reason: reason.value.trim() }),
    ...(expires.value === '' ? {} : { expiresAt: new Date(`${expires.value}T23:59:59`).getTime() }),
  });

  // Wherever in the dialog it is let fall: a miss would make the browser leave the page for the photo.
  dialog.addEventListener('dragover', (event) => {
    event.preventDefault();
    place.querySelector('.drop')?.classList.add('over');
  });
  dialog.addEventListener('dragleave', () => place.querySelector('.drop')?.classList.remove('over'));
  dialog.addEventListener('drop', (event) => {
    event.preventDefault();
    place.querySelector('.drop')?.classList.remove('over');
    const [file] = event.dataTransfer?.files ?? [];
    if (file !== undefined) void take(file, file.name);
  });
  dialog.addEventListener('paste', (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file !== undefined) void take(file, file.name);
  });

  askForPhoto();
  add(body, el('div', { class: 'enrol' }, place, form));
  add(foot, el('button', { type: 'button', onclick: close }, 'Cancel'), go);
  open();
}

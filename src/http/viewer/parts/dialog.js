import { add, el, newId } from './dom.js';
import { icon } from './icons.js';

/**
 * A dialog that holds the keyboard, closes by Escape and gives the focus back to where it was.
 * @param {string} title
 * @param {{ wide?: boolean, onclose?: () => void }} [options]
 * @returns {{ readonly dialog: HTMLDialogElement, readonly body: HTMLElement, readonly foot: HTMLElement, open(): void, close(): void, retitle(title: string): void }}
 */
export function makeDialog(title, { wide = false, onclose } = {}) {
  const heading = el('h2', { id: newId('dialog') }, title);
  const body = el('div', { class: 'dialog-body' });
  const foot = el('div', { class: 'dialog-foot' });
  const before = document.activeElement;
  const dialog = el('dialog', { class: wide ? 'wide' : undefined, 'aria-labelledby': heading.id });
  const close = () => dialog.close();
  add(
    dialog,
    el(
      'div',
      { class: 'dialog-head' },
      heading,
      el('button', { type: 'button', class: 'quiet square', 'aria-label': 'Close', onclick: close }, icon('not')),
    ),
    body,
    foot,
  );
  dialog.addEventListener('close', () => {
    dialog.remove();
    onclose?.();
    if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
  });
  return {
    dialog,
    body,
    foot,
    open: () => {
      document.body.append(dialog);
      dialog.showModal();
    },
    close,
    retitle: (text) => {
      heading.textContent = text;
    },
  };
}

/**
 * Asks before something that is not undone by a click. With `typed` the words must be typed first.
 * @param {{ title: string, says: readonly (Node | string)[], action: string, danger?: boolean, typed?: string }} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, says, action, danger = false, typed }) {
  return new Promise((resolve) => {
    let answer = false;
    const { body, foot, open, close } = makeDialog(title, { onclose: () => resolve(answer) });
    const go = el('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, action);
    const cancel = el('button', { type: 'button', onclick: close }, 'Cancel');
    const form = el('form', { method: 'dialog', id: newId('form') });
    go.setAttribute('form', form.id);
    for (const part of says) add(form, part instanceof Node ? part : el('p', {}, part));
    if (typed !== undefined) {
      const input = el('input', { id: newId('typed'), autocomplete: 'off', spellcheck: 'false' });
      go.disabled = true;
      input.addEventListener('input', () => {
        go.disabled = input.value.trim() !== typed;
      });
      add(form, el('div', { class: 'field' }, el('label', { for: input.id }, `Type “${typed}” to confirm`), input));
    }
    form.addEventListener('submit', () => {
      answer = true;
    });
    add(body, form);
    add(foot, cancel, go);
    open();
    (typed === undefined ? cancel : form.querySelector('input'))?.focus();
  });
}

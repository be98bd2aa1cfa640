import { get } from '../parts/api.js';
import { auditSection } from '../parts/audit.js';
import { byId, el, fill } from '../parts/dom.js';
import { start } from '../parts/problems.js';
import { may, requireSession } from '../parts/session.js';
import { showShell } from '../parts/shell.js';
import { tokensSection } from '../parts/tokens.js';
import { usersSection } from '../parts/users.js';

start(async () => {
  const session = await requireSession();
  showShell(session, { current: 'users' });
  const main = byId('main');
  if (!may(session, 'users.manage')) {
    fill(
      main,
      el(
        'div',
        { class: 'page' },
        el('h1', {}, 'Users'),
        el('p', { class: 'notice' }, 'Users are for admins. Your own password is behind your name at the top.'),
      ),
    );
    return;
  }
  /** @type {{ items: readonly { camera: string }[] }} */
  const { items } = await get('cameras');
  const cameras = items.map(({ camera }) => camera);
  fill(
    main,
    el(
      'div',
      { class: 'page' },
      el('h1', {}, 'Users'),
      await usersSection(session, cameras),
      await tokensSection(cameras),
      may(session, 'audit.read') && (await auditSection()),
    ),
  );
});

// Before the first paint: a light page must not flash in a dark room. A classic script, for modules run too late.
(() => {
  try {
    const theme = localStorage.getItem('sightline.theme');
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset['theme'] = theme;
  } catch {
    // Storage may be forbidden; the system's choice holds then.
  }
})();

// Keeps the page as it would be if it were loaded again now, in place.
(() => {
  "use strict";
  const about = document.body.dataset.live; // the check that the page is about; "": all
  const gone = document.getElementById("gone");
  const silence = 40000; // ms without a word after which the connection is taken for dead; rstprobe says something every 15 s
  const often = 60000; // how old what is said in words such as "5 min ago" may get
  let source, watchdog, pause = 2000, waiting = 0, loading = false, stale = false;

  // patch makes an element like another one and leaves alone what is like it
  // already, so that neither a selection nor the focus is lost.
  const patch = (now, then) => {
    if (now.isEqualNode(then)) return;
    const parts = e => [...e.childNodes].every(n => n.nodeType === Node.ELEMENT_NODE || !n.data.trim());
    if (now.tagName !== then.tagName || now.id !== then.id || !now.children.length || !then.children.length || !parts(now) || !parts(then)) {
      now.replaceWith(then);
      return;
    }
    for (const a of [...now.attributes]) if (!then.hasAttribute(a.name)) now.removeAttribute(a.name);
    for (const a of then.attributes) if (now.getAttribute(a.name) !== a.value) now.setAttribute(a.name, a.value);
    const known = new Map();
    for (const e of now.children) if (e.id) known.set(e.id, e);
    let next = now.firstElementChild;
    for (const e of [...then.children]) {
      const same = e.id ? known.get(e.id) : next && !next.id && next.tagName === e.tagName ? next : null;
      if (!same) {
        now.insertBefore(e, next);
        continue;
      }
      if (same === next) next = next.nextElementSibling;
      else now.insertBefore(same, next);
      patch(same, e);
    }
    while (next) {
      const after = next.nextElementSibling;
      next.remove();
      next = after;
    }
  };

  // load takes what is new, once at a time, and not while nobody looks.
  const load = async () => {
    if (document.hidden || loading) {
      stale = true;
      return;
    }
    loading = true;
    stale = false;
    clearTimeout(waiting);
    waiting = 0;
    const began = performance.now();
    try {
      // As a person would ask: else a browser that is to say who it is asks by a window of its own.
      const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin", headers: { Accept: "text/html" }, signal: AbortSignal.timeout(silence) });
      // The session has ended, and who looks is asked again who they are; or what was shown is gone, and that is said.
      if (answer.redirected || answer.status === 401 || answer.status === 404) {
        location.reload();
        return;
      }
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focus = document.activeElement;
      for (const what of ["main", "#updated"]) {
        const now = document.querySelector(what), then = page.querySelector(what);
        if (now && then) patch(now, then);
      }
      if (focus !== document.activeElement && focus.isConnected) focus.focus({ preventScroll: true }); // what has it was moved
      document.title = page.title;
      if (source.readyState === EventSource.OPEN) gone.hidden = true;
    } catch {
      lost();
    }
    loading = false;
    // A page that is large is not to keep rstprobe busy.
    const rest = Math.max(300, 10 * (performance.now() - began));
    waiting = setTimeout(load, stale ? rest : often);
  };

  const news = () => {
    if (loading) stale = true;
    else if (!stale) {
      stale = true;
      clearTimeout(waiting);
      waiting = setTimeout(load, 100); // others come with it
    }
  };

  const lost = () => {
    gone.textContent = `No connection to rstprobe. What is shown is as of ${document.getElementById("updated").textContent}.`;
    gone.hidden = false;
  };

  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(again, silence);
  };

  // leave listens no more.
  const leave = () => {
    clearTimeout(watchdog);
    if (source) source.close();
  };

  // again begins anew, ever later.
  const again = () => {
    leave();
    lost();
    load(); // which may say why
    watchdog = setTimeout(listen, pause);
    pause = Math.min(2 * pause, 30000);
  };

  const listen = () => {
    leave();
    source = new EventSource("/events");
    alive();
    source.addEventListener("hello", () => {
      alive();
      pause = 2000;
      load(); // whatever there was meanwhile
    });
    source.addEventListener("beat", alive);
    source.addEventListener("news", e => {
      alive();
      const check = JSON.parse(e.data).check;
      if (!about || !check || check === about) news();
    });
    source.onerror = again;
  };

  // Pages that nobody looks at do not listen: for all that it has open of a
  // server, a browser has six connections.
  const look = () => document.hidden ? leave() : listen();
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", leave);
  addEventListener("pageshow", e => {
    if (e.persisted) look(); // back from the cache of the browser
  });
  look();
})();

/** Whoever types into a terminal that is only watched is told, once, why nothing comes of it. */

const TYPED = new Set(["Enter", "Backspace", "Tab"]);

/** @param {HTMLElement} screen @param {() => boolean} live @param {import("porthole/pages/notice-bar.js").NoticeBar} notice */
export function tellTypists(screen, live, notice) {
  const onKey = (event) => {
    const types = (event.key.length === 1 || TYPED.has(event.key)) && !event.ctrlKey && !event.metaKey;
    if (!types || !live()) return;
    screen.removeEventListener("keydown", onKey, { capture: true });
    notice.show("You are watching: read only.");
  };
  // Before xterm.js, which lets no key of its own through.
  screen.addEventListener("keydown", onKey, { capture: true });
}

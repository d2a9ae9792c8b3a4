/** The keys a phone lacks. Ctrl and Alt stay down for the next key. */

/** @param {HTMLElement} bar @param {import("porthole/terminal.js").TerminalView} view */
export function bindKeyBar(bar, view) {
  const show = () => {
    for (const button of bar.querySelectorAll("[data-modifier]")) {
      button.setAttribute("aria-pressed", String(button.dataset.modifier === view.modifier));
    }
  };
  // The keyboard of a phone closes when the terminal loses the focus, so the bar never takes it.
  bar.addEventListener("pointerdown", (event) => event.preventDefault());
  bar.addEventListener("click", (event) => {
    const { key, modifier } = event.target.closest("button")?.dataset ?? {};
    if (modifier) view.modifier = view.modifier === modifier ? "" : modifier;
    if (key) view.press(key);
    show();
    view.focus();
  });
  bar.closest("[data-terminal]").addEventListener("modifier-used", show);
}

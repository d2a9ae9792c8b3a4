/** Whether the terminal is read aloud: a person's choice, kept in the browser. */

const KEY = "porthole-screen-reader";

export const screenReaderWanted = () => localStorage.getItem(KEY) === "on";

/** @param {HTMLButtonElement} button @param {import("porthole/terminal.js").TerminalView} view */
export function bindScreenReader(button, view) {
  button.setAttribute("aria-pressed", String(screenReaderWanted()));
  button.addEventListener("click", () => {
    const wanted = !screenReaderWanted();
    localStorage.setItem(KEY, wanted ? "on" : "off");
    button.setAttribute("aria-pressed", String(wanted));
    view.screenReader = wanted;
  });
}

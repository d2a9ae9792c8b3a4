/** The bar that searches the terminal's screen and scrollback. */
export class FindBar {
  #form;
  #view;
  #input;

  /** @param {HTMLFormElement} form @param {import("porthole/terminal.js").TerminalView} view */
  constructor(form, view) {
    this.#form = form;
    this.#view = view;
    this.#input = form.elements.text;
    const found = form.querySelector("output");
    view.onFound(({ resultIndex, resultCount }) => {
      found.textContent = resultCount === 0 ? "none" : `${resultIndex + 1} of ${resultCount}`;
    });
    this.#input.addEventListener("input", () => this.#find("next", true));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find("next");
    });
    form.querySelector("[data-find-step]").addEventListener("click", () => this.#find("previous"));
    form.querySelector("[data-find-close]").addEventListener("click", () => this.close());
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      if (event.key === "Enter" && event.shiftKey) {
        event.preventDefault();
        this.#find("previous");
      }
    });
  }

  open() {
    this.#form.hidden = false;
    if (this.#view.selection && !this.#view.selection.includes("\n")) this.#input.value = this.#view.selection;
    this.#input.select();
    this.#input.focus();
    this.#find("next", true);
  }

  close() {
    this.#form.hidden = true;
    this.#view.endFind();
    this.#view.focus();
  }

  #find(direction, whileTyping = false) {
    if (this.#input.value) this.#view.find(this.#input.value, direction, whileTyping);
    else this.#form.querySelector("output").textContent = "";
  }
}

/** The command palette: Ctrl-K, type a service's name, Enter for a shell. A combobox with a listbox, by the ARIA pattern. */

const WAIT_MS = 120;

class Palette {
  #dialog;
  #input;
  #list;
  #none;
  #timer = 0;
  /** @type {AbortController | null} */
  #request = null;
  #chosen = 0;

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#input = dialog.querySelector("input");
    this.#list = dialog.querySelector("ul");
    this.#none = dialog.querySelector(".palette-none");
    this.#input.addEventListener("input", () => this.#later());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", (event) => this.#go(event.target.closest("[role=option]")));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  open() {
    if (this.#dialog.open) return;
    this.#input.value = "";
    this.#dialog.showModal();
    this.#search();
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(), WAIT_MS);
  }

  async #search() {
    this.#request?.abort();
    this.#request = new AbortController();
    const address = new URL(this.#dialog.dataset.source, location.href);
    address.searchParams.set("q", this.#input.value.trim());
    try {
      const response = await fetch(address, { signal: this.#request.signal, headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      this.#show((await response.json()).matches);
    } catch (error) {
      if (error.name !== "AbortError") this.#say("The portal does not answer. Try again in a moment.");
    }
  }

  #show(matches) {
    this.#list.replaceChildren(...matches.map((match, index) => this.#option(match, index)));
    this.#choose(0);
    if (matches.length > 0) this.#say("");
    else this.#say(this.#input.value ? "No service of that name." : "No service is open to you yet.");
  }

  #option({ label, hint, action, url }, index) {
    const option = document.createElement("li");
    option.id = `palette-option-${index}`;
    option.setAttribute("role", "option");
    option.dataset.url = url;
    for (const [name, text] of [["name", label], ["hint", hint], ["action", action]]) {
      const part = document.createElement("span");
      part.className = `palette-${name}`;
      part.textContent = text;
      option.append(part);
    }
    return option;
  }

  #say(text) {
    this.#none.textContent = text;
    this.#none.hidden = text === "";
  }

  #choose(index) {
    const options = [...this.#list.children];
    this.#chosen = options.length === 0 ? 0 : (index + options.length) % options.length;
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === this.#chosen)));
    const chosen = options[this.#chosen];
    chosen?.scrollIntoView({ block: "nearest" });
    if (chosen) this.#input.setAttribute("aria-activedescendant", chosen.id);
    else this.#input.removeAttribute("aria-activedescendant");
  }

  async #key(event) {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.#choose(this.#chosen + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      // What was typed last decides, not what was found for the letters before.
      clearTimeout(this.#timer);
      await this.#search();
      this.#go(this.#list.children[this.#chosen]);
    }
  }

  #go(option) {
    if (option) location.assign(option.dataset.url);
  }
}

export function bindPalette() {
  const dialog = document.querySelector("#palette");
  if (!dialog) return;
  const palette = new Palette(dialog);
  for (const button of document.querySelectorAll("[data-palette-open]")) {
    button.addEventListener("click", () => palette.open());
  }
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      // Inside a terminal Ctrl-K belongs to the shell.
      if (event.target.closest?.(".xterm")) return;
      event.preventDefault();
      palette.open();
    }
  });
}

/**
 * The command palette: Ctrl-K, type a service's name, Enter for a shell. A combobox with a listbox, by the ARIA pattern.
 *
 * What it can offer is fetched once, as it opens, and is filtered here with every letter: the list is never behind what
 * was typed, and Enter opens what is highlighted. Only where there is more than one answer holds is the portal asked again.
 */

const WAIT_MS = 120;
const SHOWN = 8;

class Palette {
  #dialog;
  #input;
  #list;
  #none;
  #timer = 0;
  /** @type {AbortController | null} */
  #request = null;
  #offers = [];
  #more = false;
  #loaded = Promise.resolve();
  #chosen = 0;

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.#dialog = dialog;
    this.#input = dialog.querySelector("input");
    this.#list = dialog.querySelector("ul");
    this.#none = dialog.querySelector(".palette-none");
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", (event) => this.#go(event.target.closest("[role=option]")));
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  }

  open() {
    if (this.#dialog.open) return;
    this.#input.value = "";
    this.#dialog.showModal();
    this.#loaded = this.#load();
  }

  async #load() {
    const found = await this.#fetch("");
    if (!found) return;
    this.#offers = found.matches;
    this.#more = found.more;
    this.#typed();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#show(this.#matching(this.#input.value));
    if (this.#more && this.#input.value.trim()) this.#timer = setTimeout(() => this.#askForMore(), WAIT_MS);
  }

  /** By the portal's own rule: a service has every word somewhere in its names, a page begins with the text. */
  #matching(text) {
    const typed = text.trim().toLowerCase();
    const words = typed.split(/\s+/).filter(Boolean);
    const fits = ({ label, action, find }) => {
      if (action === "Go") return typed !== "" && label.toLowerCase().startsWith(typed);
      return words.every((word) => find.toLowerCase().includes(word));
    };
    const fitting = this.#offers.filter(fits);
    const services = fitting.filter(({ action }) => action !== "Go").slice(0, SHOWN);
    return [...services, ...fitting.filter(({ action }) => action === "Go")];
  }

  /** What else there is goes below: what is highlighted stays where it is. */
  async #askForMore() {
    const found = await this.#fetch(this.#input.value.trim());
    const known = new Set([...this.#list.children].map((option) => option.dataset.url));
    const others = (found?.matches ?? []).filter(({ url }) => !known.has(url));
    this.#list.append(...others.map((match, index) => this.#option(match, known.size + index)));
    if (others.length === 0) return;
    this.#say("");
    this.#choose(this.#chosen);
  }

  async #fetch(text) {
    this.#request?.abort();
    this.#request = new AbortController();
    const address = new URL(this.#dialog.dataset.source, location.href);
    if (text) address.searchParams.set("q", text);
    try {
      const response = await fetch(address, { signal: this.#request.signal, headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      return await response.json();
    } catch (error) {
      if (error.name !== "AbortError") this.#say("The portal does not answer. Try again in a moment.");
      return null;
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
    if (event.isComposing || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
    event.preventDefault();
    // A key that comes before the first answer acts on it as soon as it is there.
    await this.#loaded;
    if (event.key === "Enter") this.#go(this.#list.children[this.#chosen]);
    else this.#choose(this.#chosen + (event.key === "ArrowDown" ? 1 : -1));
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

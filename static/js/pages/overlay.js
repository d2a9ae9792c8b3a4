/** Draws a telling over the terminal: what is going on, and the next step as a button. */

const TICK_MS = 250;

export class Overlay {
  #element;
  #act;
  #timer = 0;

  /**
   * @param {HTMLElement} element
   * @param {(act: string) => void} act Called with the chosen action's word.
   */
  constructor(element, act) {
    this.#element = element;
    this.#act = act;
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-act]");
      if (button) this.#act(button.dataset.act);
    });
  }

  hide() {
    clearInterval(this.#timer);
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }

  /** @param {import("porthole/phases.js").Telling} telling */
  show(telling) {
    clearInterval(this.#timer);
    const card = document.createElement("div");
    card.className = "term-card";
    card.append(...this.#heading(telling), ...this.#words(telling), this.#actions(telling.actions));
    this.#element.dataset.place = telling.place;
    this.#element.replaceChildren(card);
    this.#element.hidden = false;
    if (telling.until !== undefined) this.#countDown(card.querySelector(".term-seconds"), telling.until);
  }

  focus() {
    this.#element.focus();
  }

  #heading({ title, busy }) {
    const heading = document.createElement("h2");
    heading.textContent = title;
    if (!busy) return [heading];
    const spinner = document.createElement("span");
    spinner.className = "term-spinner";
    spinner.setAttribute("aria-hidden", "true");
    return [spinner, heading];
  }

  #words({ text, until }) {
    const parts = [];
    if (text) {
      const words = document.createElement("p");
      words.textContent = text;
      parts.push(words);
    }
    if (until !== undefined) {
      const seconds = document.createElement("p");
      seconds.className = "term-seconds";
      parts.push(seconds);
    }
    return parts;
  }

  #actions(actions) {
    const row = document.createElement("div");
    row.className = "term-card-actions";
    actions.forEach(({ act, label, href }, index) => {
      const control = document.createElement(href ? "a" : "button");
      if (href) control.href = href;
      else control.type = "button";
      control.dataset.act = act;
      control.className = index === 0 ? "btn btn-primary" : "btn";
      control.textContent = label;
      row.append(control);
    });
    return row;
  }

  #countDown(element, until) {
    const tell = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      element.textContent = left > 0 ? `Next try in ${left} s.` : "Trying…";
    };
    tell();
    this.#timer = setInterval(tell, TICK_MS);
  }
}

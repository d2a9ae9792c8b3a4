/** One line that comes and goes above the terminal: the idle warning, a gap in the recording, a paste that was cut. */
export class NoticeBar {
  #bar;
  #button;
  #act = () => {};
  #timer = 0;

  /** @param {HTMLElement} bar */
  constructor(bar) {
    this.#bar = bar;
    this.#button = bar.querySelector("[data-notice-act]");
    this.#button.addEventListener("click", () => {
      this.#act();
      this.hide();
    });
    bar.querySelector("[data-notice-close]").addEventListener("click", () => this.hide());
  }

  /** @param {string} text @param {{label: string, act: () => void}} [action] */
  show(text, action) {
    clearInterval(this.#timer);
    this.#bar.querySelector("[data-notice-text]").textContent = text;
    this.#button.hidden = !action;
    this.#button.textContent = action?.label ?? "";
    this.#act = action?.act ?? (() => {});
    this.#bar.hidden = false;
  }

  /** @param {number} seconds @param {(left: string) => string} text @param {{label: string, act: () => void}} action */
  countDown(seconds, text, action) {
    const end = performance.now() + seconds * 1000;
    const left = () => {
      const whole = Math.max(0, Math.ceil((end - performance.now()) / 1000));
      return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
    };
    this.show(text(left()), action);
    this.#timer = setInterval(() => {
      this.#bar.querySelector("[data-notice-text]").textContent = text(left());
    }, 1000);
  }

  hide() {
    clearInterval(this.#timer);
    this.#bar.hidden = true;
  }
}

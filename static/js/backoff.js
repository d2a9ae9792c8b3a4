/** Exponential backoff with jitter: how long to wait before the next try. */
export class Backoff {
  /** @param {{first?: number, most?: number, random?: () => number}} [options] Milliseconds. */
  constructor({ first = 500, most = 15_000, random = Math.random } = {}) {
    this.first = first;
    this.most = most;
    this.random = random;
    this.tries = 0;
  }

  /** The next wait in milliseconds: between half of the step and all of it, so that clients do not return as one. */
  next() {
    const step = Math.min(this.most, this.first * 2 ** this.tries);
    this.tries += 1;
    return step / 2 + (this.random() * step) / 2;
  }

  reset() {
    this.tries = 0;
  }
}

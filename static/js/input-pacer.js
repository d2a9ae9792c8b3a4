/** Paces what is typed and pasted: small frames, and a bound on what the server has not yet handed to the container. */

export const FRAME_BYTES = 16 * 1024;
export const WINDOW_BYTES = 256 * 1024;

export class InputPacer {
  /** @param {(frame: Uint8Array) => void} send */
  constructor(send) {
    this.send = send;
    /** @type {Uint8Array[]} */
    this.queue = [];
    this.sent = 0;
    this.acknowledged = 0;
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    this.queue.push(bytes);
    this.#flush();
  }

  /** @param {number} total Bytes of this socket's input that have gone to the container. */
  acknowledge(total) {
    this.acknowledged = Math.max(this.acknowledged, Math.min(total, this.sent));
    this.#flush();
  }

  /** Forget everything, as the socket is gone. @returns {number} Bytes that were never sent. */
  reset() {
    const lost = this.queue.reduce((sum, chunk) => sum + chunk.length, 0);
    this.queue = [];
    this.sent = 0;
    this.acknowledged = 0;
    return lost;
  }

  #flush() {
    while (this.queue.length > 0) {
      const room = Math.min(FRAME_BYTES, WINDOW_BYTES - (this.sent - this.acknowledged));
      if (room <= 0) return;
      const chunk = this.queue[0];
      const frame = chunk.subarray(0, room);
      if (frame.length === chunk.length) this.queue.shift();
      else this.queue[0] = chunk.subarray(room);
      this.sent += frame.length;
      this.send(frame);
    }
  }
}

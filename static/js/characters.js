/** Keeps the characters of a stream of UTF-8 together, however its bytes come. */

/**
 * xterm.js puts characters together by itself and loses some of them: "–", say, if it gets the last of its three bytes
 * later than the second, which is 0x80.
 */
export class WholeCharacters {
  #begun = new Uint8Array(0);

  /** @param {Uint8Array} bytes @returns {Uint8Array} What has come so far, up to the end of a character. */
  take(bytes) {
    const all = this.#begun.length ? join(this.#begun, bytes) : bytes;
    const end = all.length - begunAtTheEnd(all);
    this.#begun = all.slice(end);
    return all.subarray(0, end);
  }

  /** Forget what has begun: something else follows. */
  reset() {
    this.#begun = new Uint8Array(0);
  }
}

function join(one, other) {
  const all = new Uint8Array(one.length + other.length);
  all.set(one);
  all.set(other, one.length);
  return all;
}

/** How many bytes at the end belong to a character that has more. */
function begunAtTheEnd(bytes) {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue; // within a character: where does it begin?
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

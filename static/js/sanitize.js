/** What may leave the clipboard for a shell. */

// C0 and C1 controls other than tab and line ends: among them ESC, with which a paste could end its own brackets
// (ESC[201~) and go on as if it had been typed.
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** @param {string} text @returns {string} */
export function sanitizePaste(text) {
  return text.replace(CONTROLS, "");
}

// Controls, and the marks that turn the direction of text around: a title must not disguise what it says.
const DISGUISE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const TITLE_LENGTH = 120;

/** A title that a program set, fit for a page. @param {string} title */
export function boundTitle(title) {
  return [...title.slice(0, 4 * TITLE_LENGTH).replace(DISGUISE, "")].slice(0, TITLE_LENGTH).join("").trim();
}

/** The address of a link in terminal output if it may be opened, else null. @param {string} text */
export function safeLink(text) {
  try {
    const url = new URL(text);
    return ["http:", "https:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

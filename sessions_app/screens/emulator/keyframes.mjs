/**
 * Keyframes of a session: screens at offsets, kept in the file `keyframes` beside its journal, so that the screen at any
 * offset is a keyframe and a bounded piece of output away. They are derived from the journal and can be made again; they
 * are not part of what is sealed. A record's layout is described in audit/journal/__init__.py.
 */

import { createHash } from "node:crypto";
import { constants, closeSync, fstatSync, ftruncateSync, writeSync } from "node:fs";
import { deflateSync, inflateSync } from "node:zlib";
import { openIn, readAt } from "./journal.mjs";

const NAME = "keyframes";
const MAGIC = 0x504b4631; // "PKF1"
const HEADER = 48;
const CHECK = 44;
const MAX_BODY = 8 * 1024 * 1024;

/**
 * @typedef {object} Keyframe
 * @property {import("./journal.mjs").Place} place
 * @property {number} cols
 * @property {number} rows
 * @property {string} text The screen.
 */

/** The newest keyframe up to an offset, or null. @param {string} folder @param {number} offset */
export function newest(folder, offset) {
  let file;
  try {
    file = openIn(folder, NAME);
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
  try {
    const found = headers(file).filter((header) => header.place.offset <= offset);
    for (const header of found.reverse()) {
      const text = body(file, header);
      if (text !== null) return { ...header, text };
    }
    return null;
  } finally {
    closeSync(file);
  }
}

/** @param {string} folder @param {Keyframe} keyframe */
export function append(folder, { place, cols, rows, text }) {
  const compressed = deflateSync(text);
  const record = Buffer.alloc(HEADER + compressed.length);
  record.writeUInt32BE(MAGIC, 0);
  record.writeUInt32BE(compressed.length, 4);
  record.writeBigUInt64BE(BigInt(place.offset), 8);
  record.writeBigUInt64BE(BigInt(place.timeline), 16);
  record.writeBigUInt64BE(BigInt(place.base), 24);
  record.writeDoubleBE(place.at, 32);
  record.writeUInt16BE(cols, 40);
  record.writeUInt16BE(rows, 42);
  compressed.copy(record, HEADER);
  check(record).copy(record, CHECK);
  const file = openIn(folder, NAME, constants.O_RDWR | constants.O_CREAT);
  try {
    // Whatever follows the last sound record is what a full disk or a crash left of another one.
    const end = headers(file).at(-1)?.end ?? 0;
    ftruncateSync(file, end);
    if (writeSync(file, record, 0, record.length, end) < record.length) ftruncateSync(file, end);
  } finally {
    closeSync(file);
  }
}

/** The headers of all records, up to the first that is none. */
function headers(file) {
  const { size } = fstatSync(file);
  const found = [];
  for (let start = 0; start + HEADER <= size; start = found.at(-1).end) {
    const header = readAt(file, start, HEADER);
    const length = header.readUInt32BE(4);
    const end = start + HEADER + length;
    if (header.readUInt32BE(0) !== MAGIC || length > MAX_BODY || end > size) break;
    const place = {
      offset: Number(header.readBigUInt64BE(8)),
      timeline: Number(header.readBigUInt64BE(16)),
      base: Number(header.readBigUInt64BE(24)),
      at: header.readDoubleBE(32),
    };
    found.push({ place, cols: header.readUInt16BE(40), rows: header.readUInt16BE(42), start, end });
  }
  return found;
}

/** A record's screen, or null if it is damaged. */
function body(file, { start, end }) {
  const record = readAt(file, start, end - start);
  if (record.length < end - start || !record.subarray(CHECK, HEADER).equals(check(record))) return null;
  return inflateSync(record.subarray(HEADER), { maxOutputLength: MAX_BODY }).toString("utf8");
}

/** The first bytes of the SHA-256 of everything else in a record. */
function check(record) {
  return createHash("sha256").update(record.subarray(0, CHECK)).update(record.subarray(HEADER)).digest().subarray(0, HEADER - CHECK);
}

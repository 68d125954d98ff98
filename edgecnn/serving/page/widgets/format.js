/** Values as the page writes them. */

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DAY = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "2-digit", day: "2-digit" });

export const NONE = "–";

/** The time of an RFC 3339 text, with the day where it is not today. */
export function time(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text || NONE;
  const today = DAY.format(new Date()) === DAY.format(at);
  return today ? CLOCK.format(at) : `${DAY.format(at)} ${CLOCK.format(at)}`;
}

/** 0.934 as `93 %`; near 0 and 1 with a decimal, so that 99.6 % does not read as certain. */
export function percent(share) {
  if (share === null || share === undefined) return NONE;
  const value = 100 * share;
  const digits = value > 99 && value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} %`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return NONE;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** A span of time: `45 ms`, `1.2 s`, `3 min`. */
export function span(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

export function bytes(size) {
  if (size === null || size === undefined) return NONE;
  if (size < 1e6) return `${(size / 1e3).toFixed(size < 1e4 ? 1 : 0)} kB`;
  return size < 1e9 ? `${(size / 1e6).toFixed(1)} MB` : `${(size / 1e9).toFixed(2)} GB`;
}

/** The first digits of a SHA-256. */
export function shortHash(sha256) {
  return sha256 ? sha256.slice(0, 12) : NONE;
}

/** `1 frame`, `2 frames`. */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

const STATUS = { ok: "ok", unknown: "unknown", no_decision: "no decision", error: "error" };

/** A status in words. */
export function status(name) {
  return STATUS[name] ?? name;
}

/** An answer in words: `cat 93 %`, or its status where it has no label. */
export function answerText({ label, status: name, score }) {
  return label === null || label === undefined ? status(name) : `${label} ${percent(score)}`;
}

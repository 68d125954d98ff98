/** What the page knows of the service: its sources, models, decisions and events. */

import { read } from "./api.js";

const KEPT_DECISIONS = 64; // per view and model: the live image comes a little later or earlier than its decision
const KEPT_EVENTS = 200;
const RATE_MS = 5000;

const IMAGE_MS = 1500; // an older live image does not hold newer decisions back
const NO_IMAGE = { source: null, number: 0, shownAt: -Infinity };

/** Names the decisions of one model on one view. */
export function keyOf(decision) {
  return `${decision.view} ${decision.model}`;
}

/** The decisions of one model on one view. */
class Answers {
  constructor(decision) {
    this.view = decision.view;
    this.source = decision.source;
    this.region = decision.region;
    this.model = decision.model;
    this.newest = null;
    this.byNumber = new Map();
    this.since = null;
  }

  add(decision) {
    const before = this.newest?.prediction;
    const { status, label, captured_at: at } = decision.prediction;
    if (!before || before.status !== status || before.label !== label) this.since = at;
    this.newest = decision;
    if (isOutage(decision)) return; // it belongs to no image
    this.byNumber.set(decision.number, decision);
    if (this.byNumber.size > KEPT_DECISIONS) this.byNumber.delete(this.byNumber.keys().next().value);
  }
}

/** Whether a decision says that the source is away. What stood before the first event may be one too. */
function isOutage(decision) {
  return decision.prediction.frame === null;
}

/** A decision that stands no more. */
function without(decision, reason) {
  const prediction = { ...decision.prediction, status: "no_decision", reason, label: null, score: null, top: [] };
  return { ...decision, prediction };
}

/**
 * Events: `state` (sources or models changed), `decision` (detail: the decision), `log` (an event for the list),
 * `swap`, `drift` (an alarm began or ended), `views` (a source has other regions), `connection`, `selected` (another
 * source), `focus` (other answers), `shown` (another live image), `models` (the models and their swaps), `collected`
 * (another list of frames).
 */
export class ServiceState extends EventTarget {
  constructor() {
    super();
    this.device = "";
    this.version = "";
    this.maxAgeMs = Infinity;
    this.sources = [];
    this.models = [];
    this.accuracy = []; // expected, of each view and model
    this.answers = new Map(); // by keyOf
    this.log = []; // oldest first
    this.connected = false;
    this.connection = { connected: false, reason: "connecting", retryAt: null };
    this.selected = null; // name of a source
    this.focused = null; // key of the answers that the bars and the chart show
    this.image = NO_IMAGE; // the live image that the page shows
    this.arrivals = new Map(); // source -> {number, times}
  }

  /** The selected source; undefined where the service has none. */
  get source() {
    return this.sources.find((source) => source.name === this.selected);
  }

  /** Answers of a source: one for each of its views and models. */
  answersOf(source) {
    return [...this.answers.values()].filter((answers) => answers.source === source);
  }

  select(name) {
    if (this.selected === name) return;
    this.selected = name;
    this.tell("selected");
  }

  /** The answers whose bars and chart are shown; undefined where there are none yet. */
  get focus() {
    const found = this.answersOf(this.selected);
    return found.find((answers) => keyOf(answers) === this.focused) ?? found[0];
  }

  focusOn(answers) {
    this.focused = keyOf(answers);
    this.tell("focus");
  }

  /**
   * The prediction to show now: that of the frame whose image is shown.
   *
   * Without a connection, or where the newest is too old, it is no decision any more.
   */
  shown(answers) {
    const { newest } = answers;
    const now = performance.now();
    if (!this.connected) return without(newest, "not connected to the service");
    if (now - newest.heardAt > this.maxAgeMs) {
      return without(newest, `stale: no frame for ${Math.round((now - newest.heardAt) / 1000)} s`);
    }
    const { source, number, shownAt } = this.image;
    if (isOutage(newest) || source !== answers.source || now - shownAt > IMAGE_MS) return newest;
    return answers.byNumber.get(number) ?? newest;
  }

  /** Says which live image is on the page. */
  imageShown(source, number) {
    this.image = { source, number, shownAt: performance.now() };
    this.tell("shown");
  }

  /** Whether every model has answered a frame of a source, or a later one; an outage is an answer too. */
  isDecided(source, number) {
    const found = this.answersOf(source);
    return (
      found.length > 0 && found.every(({ newest }) => newest.number >= number || (isOutage(newest) && !newest.initial))
    );
  }

  /** Whether the page has heard the answers to this very frame. */
  hasAnswers(source, number) {
    return this.answersOf(source).every(({ newest, byNumber }) => isOutage(newest) || byNumber.has(number));
  }

  /** Decided frames per second of a source, over the last seconds. */
  rate(source) {
    const { times, begun } = this.arrivals.get(source) ?? { times: [], begun: 0 };
    const now = performance.now();
    const window = Math.max(1000, Math.min(RATE_MS, now - begun));
    return times.filter((at) => at > now - window).length / (window / 1000);
  }

  /** Reads everything from the service. With `anew`, the events too. */
  async refresh(anew) {
    const found = await read("/api/state");
    const now = performance.now();
    this.device = found.device;
    this.version = found.version;
    this.maxAgeMs = 1000 * found.max_state_age_s;
    this.models = found.models;
    this.accuracy = found.accuracy;
    this.sources = found.sources.map((source) => ({
      ...source,
      retryAt: source.retry_in_s === null ? null : now + 1000 * source.retry_in_s,
    }));
    this.forgetGoneViews();
    for (const stands of found.states) this.addInitial(stands);
    if (anew) this.log = found.events.slice(-KEPT_EVENTS);
    if (!this.source) this.select(this.sources[0]?.name ?? null);
    this.tell("state");
    if (anew) this.tell("log");
  }

  /** Takes an event of the stream. */
  hear(kind, values) {
    if (kind === "decision") this.hearDecision(values);
    else if (kind === "source") this.hearSource(values);
    else if (kind === "swap" || kind === "drift") this.tell(kind, values);
    else if (kind === "views") this.hearViews(values);
    else return;
    if (kind !== "decision" || values.changed) {
      this.log.push({ kind, ...values });
      if (this.log.length > KEPT_EVENTS) this.log.shift();
      this.tell("log");
    }
  }

  setConnection(connection) {
    this.connection = connection;
    this.connected = connection.connected;
    if (this.connected) {
      // A restarted service counts its frames anew
      this.answers.clear();
      this.arrivals.clear();
      this.image = NO_IMAGE;
    }
    this.tell("connection");
  }

  hearDecision(decision) {
    decision.heardAt = performance.now();
    this.answersFor(decision).add(decision);
    if (!isOutage(decision)) this.countArrival(decision);
    this.tell("decision", decision);
  }

  hearSource(change) {
    const source = this.sources.find((known) => known.name === change.source);
    if (!source) return;
    source.up = change.up;
    source.reason = change.reason;
    source.retryAt = change.retry_in_s === null ? null : performance.now() + 1000 * change.retry_in_s;
    this.tell("state");
  }

  /** A source has other regions: what was said of regions that are gone stands no more. */
  hearViews(change) {
    const source = this.sources.find((known) => known.name === change.source);
    if (!source) return;
    source.views = change.views;
    this.forgetGoneViews();
    this.tell("views");
    this.tell("state");
  }

  answersFor(decision) {
    const key = keyOf(decision);
    if (!this.answers.has(key)) this.answers.set(key, new Answers(decision));
    return this.answers.get(key);
  }

  /** What stood before the page heard its first event. */
  addInitial(stands) {
    const answers = this.answersFor(stands);
    answers.since ??= stands.since;
    if (answers.newest && !answers.newest.initial) return;
    // Until an event comes, the service itself says when what stood has become too old
    const { status, reason, label, score, captured_at, model_sha256 } = stands;
    const top = label === null ? [] : [{ label, score }];
    answers.newest = {
      view: stands.view,
      source: stands.source,
      region: stands.region,
      model: stands.model,
      number: 0,
      initial: true,
      heardAt: performance.now(),
      prediction: { status, reason, label, score, top, captured_at, model_sha256, age_ms: null, frame: null },
    };
    this.tell("decision", answers.newest);
  }

  forgetGoneViews() {
    const views = new Set(this.sources.flatMap((source) => source.views));
    for (const [key, answers] of this.answers) if (!views.has(answers.view)) this.answers.delete(key);
  }

  countArrival(decision) {
    const seen = this.arrivals.get(decision.source) ?? { number: 0, times: [], begun: decision.heardAt };
    this.arrivals.set(decision.source, seen);
    if (decision.number === seen.number) return; // another view of the same frame
    seen.number = decision.number;
    seen.times.push(decision.heardAt);
    while (seen.times[0] < decision.heardAt - RATE_MS) seen.times.shift();
  }

  tell(kind, detail = null) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}

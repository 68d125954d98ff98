/** Editing the regions of a source: drawn with mouse or finger, moved by arrow keys, or typed. */

import { change } from "../service/api.js";
import { confirm, say, show } from "../widgets/dialogs.js";
import { byId, element, setText } from "../widgets/elements.js";
import { placeOf, put } from "./live.js";

const STEP = 0.01; // of the frame, for an arrow key
const SMALLEST = 0.02; // of the frame: a smaller drawing is a click
const KEYS = "Arrow keys move it, with Shift they change its size, Delete removes it.";
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const FIELDS = [
  ["x", "Left"],
  ["y", "Top"],
  ["width", "Width"],
  ["height", "Height"],
];

export class RegionEditor {
  constructor(state) {
    this.state = state;
    this.layer = byId("region-layer");
    this.rows = byId("region-rows");
    this.regions = []; // {name, place, before, roi, box, row}; roi: as the service has it, until the place changes
    this.editing = null; // name of the source
    this.open = byId("edit-regions");
    this.open.addEventListener("click", () => (this.editing === null ? this.begin() : this.end()));
    byId("region-add").addEventListener("click", () => this.add({ x: 0.25, y: 0.25, width: 0.5, height: 0.5 }, true));
    byId("region-cancel").addEventListener("click", () => this.end());
    byId("region-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    this.layer.addEventListener("pointerdown", (event) => this.draw(event));
    state.addEventListener("selected", () => this.end());
    byId("realign").addEventListener("click", () => this.realign());
    for (const name of ["state", "decision", "selected"]) state.addEventListener(name, () => this.offerRealign());
  }

  /** Where the camera was moved, its regions can follow. */
  offerRealign() {
    const { source } = this.state;
    const moved = (answers) => answers.newest?.prediction.reason?.startsWith("view changed: moved");
    byId("realign").hidden = !source?.view_shift || !this.state.answersOf(source.name).some(moved);
  }

  async realign() {
    const { name, view_shift: shift } = this.state.source;
    const text =
      `The view has moved by ${Math.round(shift.dx_px)} pixels to the right and ${Math.round(shift.dy_px)} down. ` +
      "The regions and the reference of the view follow it, and decisions go on.";
    if (!(await confirm(`Realign ${name}?`, text, "Realign"))) return;
    try {
      await change(`/api/sources/${encodeURIComponent(name)}/realign`, { method: "POST" });
    } catch (error) {
      show(`${name} was not realigned`, element("p", {}, error.message));
    }
    await this.state.refresh(false).catch(() => {});
  }

  begin() {
    const { source } = this.state;
    if (!source) return;
    const places = source.regions.map(({ name, roi }) => ({ name, roi, place: placeOf(roi, source) }));
    this.editing = source.name;
    this.regions = [];
    this.layer.replaceChildren();
    this.rows.replaceChildren();
    const known = places.every(({ place }) => place !== null);
    if (known) for (const { name, roi, place } of places) this.add(place, false, name, roi);
    this.toggle(true);
    for (const id of ["region-add", "region-save"]) byId(id).disabled = !known;
    const unknown = "the regions are given in pixels, and the size of a frame is not known before the first one";
    say(byId("region-message"), known ? "" : unknown, !known);
    byId("region-help").focus();
  }

  end() {
    if (this.editing === null) return;
    this.editing = null;
    this.toggle(false);
    this.open.focus();
  }

  toggle(editing) {
    byId("region-form").hidden = !editing;
    this.layer.hidden = !editing;
    byId("overlay").hidden = editing;
    this.open.setAttribute("aria-expanded", String(editing));
    this.drawEmpty();
  }

  drawEmpty() {
    byId("region-empty").hidden = this.regions.length > 0;
  }

  /** Adds a region, and brings the focus to its name where a person made it. */
  add(place, focus, name = this.freeName(), roi = null) {
    const region = { name, place: { ...place }, before: { ...place }, roi };
    region.box = element(
      "div",
      { class: "box", tabindex: "0", role: "group", "data-testid": "region-box" },
      element("span", { class: "tag" }),
    );
    region.box.addEventListener("keydown", (event) => this.key(event, region));
    region.box.addEventListener("pointerdown", (event) => this.drag(event, region));
    region.row = this.rowOf(region);
    this.regions.push(region);
    this.layer.append(region.box);
    this.rows.append(region.row);
    this.update(region);
    this.drawEmpty();
    if (focus) region.row.querySelector("input").select();
    return region;
  }

  remove(region) {
    this.regions = this.regions.filter((known) => known !== region);
    region.box.remove();
    region.row.remove();
    this.drawEmpty();
    byId("region-add").focus();
  }

  freeName() {
    for (let number = 1; ; number += 1) {
      const name = `region${number}`;
      if (!this.regions.some((known) => known.name === name)) return name;
    }
  }

  rowOf(region) {
    const name = element("input", {
      type: "text",
      value: region.name,
      required: true,
      maxlength: 64,
      autocomplete: "off",
      spellcheck: "false",
      "data-testid": "region-name",
      class: "region-name",
    });
    name.addEventListener("input", () => {
      region.name = name.value.trim();
      this.update(region);
    });
    const fields = FIELDS.map(([key, title]) => {
      const input = element("input", {
        type: "number",
        min: "0",
        max: "100",
        step: "0.1",
        required: true,
        "data-testid": `region-${key}`,
        "data-key": key,
      });
      input.addEventListener("change", () => this.type(region, key, input.valueAsNumber / 100));
      return element("label", {}, element("span", {}, `${title} %`), input);
    });
    const gone = element(
      "button",
      { type: "button", class: "small", "data-testid": "region-remove", onclick: () => this.remove(region) },
      "Remove",
    );
    return element(
      "fieldset",
      { class: "region-row" },
      element("legend", { class: "hidden-text" }, "Region"),
      element("label", { class: "wide" }, element("span", {}, "Name"), name),
      ...fields,
      gone,
    );
  }

  /** Writes a region's place and name into its box and its row. */
  update(region) {
    const { x, y, width, height } = region.place;
    put(region.box, region.place);
    setText(region.box.firstElementChild, region.name);
    const [left, top, wide, high] = [x, y, width, height].map(asPercent);
    const where = `left ${left} %, top ${top} %, ${wide} % wide, ${high} % high`;
    region.box.setAttribute("aria-label", `Region ${region.name}: ${where}. ${KEYS}`);
    setText(region.row.querySelector("legend"), `Region ${region.name}`);
    for (const input of region.row.querySelectorAll("[data-key]"))
      input.value = asPercent(region.place[input.dataset.key]);
  }

  type(region, key, value) {
    if (Number.isFinite(value)) region.place[key] = value;
    region.place = within(region.place);
    this.update(region);
  }

  key(event, region) {
    const steps = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.remove(region);
      return;
    }
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const { x, y, width, height } = region.place;
    region.place = event.shiftKey
      ? within({ x, y, width: width + step[0], height: height + step[1] })
      : moved({ x, y, width, height }, ...step);
    this.update(region);
  }

  /** Draws a new region from where the pointer goes down to where it goes up. */
  draw(event) {
    if (event.target !== this.layer || event.button !== 0 || byId("region-add").disabled) return;
    const from = this.pointOf(event);
    let region = null;
    this.follow(
      event,
      (to) => {
        const place = between(from, to);
        if (region === null && place.width < SMALLEST && place.height < SMALLEST) return;
        region ??= this.add(place, false);
        region.place = within(place);
        this.update(region);
      },
      () => region?.row.querySelector("input").select(),
    );
  }

  /** Moves a region with the pointer; by its lower right corner, changes its size. */
  drag(event, region) {
    if (event.button !== 0) return;
    event.stopPropagation();
    const from = this.pointOf(event);
    const before = { ...region.place };
    const box = region.box.getBoundingClientRect();
    const sizing = box.right - event.clientX < 18 && box.bottom - event.clientY < 18;
    this.follow(event, (to) => {
      const [dx, dy] = [to.x - from.x, to.y - from.y];
      region.place = sizing
        ? within({ ...before, width: before.width + dx, height: before.height + dy })
        : moved(before, dx, dy);
      this.update(region);
    });
  }

  follow(event, move, done = () => {}) {
    const { layer } = this;
    layer.setPointerCapture(event.pointerId);
    const onMove = (moved) => move(this.pointOf(moved));
    const onEnd = () => {
      layer.removeEventListener("pointermove", onMove);
      layer.removeEventListener("pointerup", onEnd);
      layer.removeEventListener("pointercancel", onEnd);
      done();
    };
    layer.addEventListener("pointermove", onMove);
    layer.addEventListener("pointerup", onEnd);
    layer.addEventListener("pointercancel", onEnd);
  }

  pointOf({ clientX, clientY }) {
    const { left, top, width, height } = this.layer.getBoundingClientRect();
    return { x: bounded((clientX - left) / width), y: bounded((clientY - top) / height) };
  }

  async save() {
    const wrong = this.fault();
    if (wrong) {
      say(byId("region-message"), wrong, true);
      return;
    }
    const regions = this.regions.map((region) => ({ name: region.name, roi: roiOf(region) }));
    try {
      await change(`/api/sources/${encodeURIComponent(this.editing)}/regions`, { method: "PUT", json: { regions } });
    } catch (error) {
      const missing = error.status === 404 || error.status === 405;
      say(byId("region-message"), missing ? "this service cannot change regions while it runs" : error.message, true);
      return;
    }
    this.end();
    await this.state.refresh(false).catch(() => {});
  }

  fault() {
    const names = this.regions.map(({ name }) => name);
    const bad = names.find((name) => !NAME.test(name));
    if (bad !== undefined) return `'${bad}' is no name: use letters, digits, - and _`;
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    return twice === undefined ? null : `two regions are named '${twice}'`;
  }
}

function bounded(value) {
  return Math.min(1, Math.max(0, value));
}

/** A place that lies within the frame and is not empty. */
function within({ x, y, width, height }) {
  const left = Math.min(bounded(x), 1 - STEP);
  const top = Math.min(bounded(y), 1 - STEP);
  return {
    x: left,
    y: top,
    width: Math.max(STEP, Math.min(width, 1 - left)),
    height: Math.max(STEP, Math.min(height, 1 - top)),
  };
}

function moved({ x, y, width, height }, dx, dy) {
  return {
    x: Math.min(Math.max(0, x + dx), 1 - width),
    y: Math.min(Math.max(0, y + dy), 1 - height),
    width,
    height,
  };
}

function between(from, to) {
  const [x, y] = [Math.min(from.x, to.x), Math.min(from.y, to.y)];
  return { x, y, width: Math.abs(from.x - to.x), height: Math.abs(from.y - to.y) };
}

function asPercent(share) {
  return String(Math.round(1000 * share) / 10);
}

/** X,Y,WIDTH,HEIGHT: as it was where the place is the same, else as fractions that end within the frame. */
function roiOf({ place, before, roi }) {
  if (roi !== null && FIELDS.every(([key]) => place[key] === before[key])) return roi;
  const { x, y, width, height } = place;
  const [left, top] = [x, y].map((value) => Math.round(1e4 * value));
  const right = Math.min(1e4, Math.round(1e4 * (x + width)));
  const bottom = Math.min(1e4, Math.round(1e4 * (y + height)));
  return [left, top, right - left, bottom - top].map((value) => String(value / 1e4)).join(",");
}

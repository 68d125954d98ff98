/** The collected frames: select many, give them a label, discard them. */

import { change } from "../service/api.js";
import { confirm, say } from "../widgets/dialogs.js";
import { byId, element, setText } from "../widgets/elements.js";
import { bytes, count } from "../widgets/format.js";
import { listing } from "./order.js";
import { Selection } from "./selection.js";
import { groupsOf, tile } from "./tiles.js";
import { replay } from "./replay.js";

const PAGE = 60; // frames that are asked for at once

export class CollectPanel {
  constructor(state) {
    this.state = state;
    this.frames = [];
    this.selection = new Selection(byId("frames"), () => this.drawSelection());
    this.source = byId("collect-source");
    this.source.addEventListener("change", () => this.refresh());
    byId("collect-order").addEventListener("change", () => this.load(0, PAGE));
    byId("collect-reload").addEventListener("click", () => this.refresh());
    byId("collect-more").addEventListener("click", () => this.more());
    byId("select-all").addEventListener("click", () => this.selection.choose(this.frames.map(({ id }) => id)));
    byId("select-none").addEventListener("click", () => this.selection.choose([]));
    byId("select-groups").addEventListener("click", () => this.chooseGroups());
    byId("label-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.label();
    });
    byId("discard").addEventListener("click", () => this.discard());
    byId("replay").addEventListener("click", () => this.replay());
    state.addEventListener("state", () => this.drawSources());
  }

  /** Reads the first frames again, as many as were shown. */
  async refresh() {
    const wanted = Math.max(PAGE, this.frames.length);
    await this.load(0, wanted);
  }

  more() {
    return this.load(this.frames.length, PAGE);
  }

  async load(offset, limit) {
    const query = new URLSearchParams({ offset, limit });
    if (this.source.value) query.set("source", this.source.value);
    const turn = (this.turn = Symbol("load"));
    let found;
    try {
      found = await listing(query);
      if (turn !== this.turn) return; // asked again since, in another order perhaps
    } catch (error) {
      if (turn !== this.turn) return;
      if (error.status === 404) byId("collect").hidden = true;
      else if (error.status !== 401 && error.status !== 0) say(byId("collect-message"), error.message, true);
      return;
    }
    const known = new Set(offset ? this.frames.map(({ id }) => id) : []);
    this.frames = [...(offset ? this.frames : []), ...found.frames.filter(({ id }) => !known.has(id))];
    this.total = found.total;
    this.draw(found);
    this.state.tell("collected");
  }

  draw({ on, labels, total, bytes: size }) {
    byId("collect").hidden = false;
    byId("collect-off").hidden = on;
    byId("collect-on").hidden = !on && !this.frames.length;
    setText(byId("collect-total"), on || total ? `${count(total, "frame")}, ${bytes(size)}` : "off");
    byId("known-labels").replaceChildren(...labels.map((value) => element("option", { value })));
    byId("collect-empty").hidden = this.frames.length > 0;
    byId("collect-more").hidden = this.frames.length >= total;
    this.selection.show(
      groupsOf(this.frames, tile, (ids) => this.selection.add(ids)),
      this.frames.map(({ id }) => id),
    );
  }

  drawSources() {
    const names = ["", ...this.state.sources.map(({ name }) => name)];
    if ([...this.source.options].map(({ value }) => value).join() === names.join()) return;
    const before = this.source.value;
    this.source.replaceChildren(...names.map((value) => element("option", { value }, value || "all sources")));
    this.source.value = names.includes(before) ? before : "";
  }

  drawSelection() {
    const chosen = this.selection.ids.size;
    setText(byId("selected-count"), `${chosen} selected`);
    for (const id of ["label", "discard", "select-none", "select-groups"]) byId(id).disabled = chosen === 0;
    for (const id of ["replay", "why-frame"]) byId(id).disabled = chosen !== 1;
  }

  chooseGroups() {
    const groups = new Set(this.frames.filter(({ id }) => this.selection.ids.has(id)).map(groupOf));
    this.selection.choose(this.frames.filter((frame) => groups.has(groupOf(frame))).map(({ id }) => id));
  }

  async label() {
    const field = byId("label-field");
    const label = field.value.trim();
    const ids = [...this.selection.ids];
    if (!label) {
      say(byId("collect-message"), "enter a label first", true);
      field.focus();
      return;
    }
    await this.send(
      "/api/collect/label",
      { ids, label },
      (answer) => `${count(answer?.labelled ?? ids.length, "frame")} labelled ${label}`,
    );
  }

  async discard() {
    const ids = [...this.selection.ids];
    const text = `${count(ids.length, "frame")} will be deleted from the device. This cannot be undone.`;
    if (!(await confirm("Discard the selected frames?", text, "Discard", true))) return;
    await this.send(
      "/api/collect/discard",
      { ids },
      (answer) => `${count(answer?.discarded ?? ids.length, "frame")} discarded`,
    );
  }

  async send(path, json, done) {
    try {
      const answer = await change(path, { json });
      this.selection.choose([]);
      say(byId("collect-message"), done(answer));
    } catch (error) {
      say(byId("collect-message"), error.message, true);
      return;
    }
    await this.refresh();
    this.selection.focus();
  }

  async replay() {
    const [id] = this.selection.ids;
    const frame = this.frames.find((known) => known.id === id);
    try {
      await replay(frame);
    } catch (error) {
      say(byId("collect-message"), error.message, true);
    }
  }
}

function groupOf({ id, group }) {
  return group ?? id;
}

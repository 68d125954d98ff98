/** The chooser of sources: what each one shows, and how it is doing. */

import { byId, element, keepChildren, setAttribute, setText } from "../widgets/elements.js";
import { percent, status } from "../widgets/format.js";
import { Panel } from "../widgets/panel.js";

/** How a source is doing, in one word: `live`, `offline`, `connecting`, or `unreachable` with the service itself. */
export function stateOf(source, connected) {
  if (!connected) return "unreachable";
  if (source.up) return "live";
  return source.reason === null ? "connecting" : "offline";
}

/** `next attempt in 3 s`, by a countdown; empty where none is due. */
export function countdown(source) {
  if (source.up || source.retryAt === null) return "";
  const left = Math.ceil((source.retryAt - performance.now()) / 1000);
  return left > 0 ? `next attempt in ${left} s` : "trying again now";
}

export class SourcesPanel extends Panel {
  constructor(state) {
    super(state);
    this.list = byId("source-list");
    for (const kind of ["state", "selected", "log"]) state.addEventListener(kind, () => this.drawSoon());
  }

  draw() {
    const { sources } = this.state;
    byId("sources").hidden = sources.length < 2;
    if (sources.length < 2) return;
    keepChildren(
      this.list,
      sources,
      () => this.make(),
      (item, source) => this.update(item, source),
    );
  }

  make() {
    const button = element(
      "button",
      { type: "button", class: "source", onclick: () => this.state.select(button.dataset.source) },
      element("span", { class: "dot", "aria-hidden": true }),
      element("span", { class: "name" }),
      element("span", { class: "answer" }),
    );
    return element("li", {}, button);
  }

  update(item, source) {
    const button = item.firstElementChild;
    const [dot, name, answer] = button.children;
    button.dataset.source = source.name;
    setAttribute(button, "id", `source-${source.name}`);
    setAttribute(button, "aria-current", String(source.name === this.state.selected));
    const now = stateOf(source, this.state.connected);
    setAttribute(dot, "class", `dot ${now}`);
    setText(name, source.name);
    const wait = now === "offline" ? countdown(source) : "";
    setText(answer, now === "live" ? this.answerOf(source) : [now, wait].filter(Boolean).join(", "));
  }

  answerOf(source) {
    const answers = this.state.answersOf(source.name);
    if (!answers.length) return "";
    const { prediction } = this.state.shown(answers[0]);
    const first =
      prediction.label === null ? status(prediction.status) : `${prediction.label} ${percent(prediction.score)}`;
    return answers.length > 1 ? `${first} +${answers.length - 1}` : first;
  }
}

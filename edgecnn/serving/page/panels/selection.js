/** Selecting many tiles: by click, Shift and click, and keyboard. */

export class Selection {
  constructor(box, changed) {
    this.box = box;
    this.changed = changed;
    this.ids = new Set();
    this.order = [];
    this.anchor = null; // where a range begins
    this.active = null; // the tile that the Tab key reaches
    box.addEventListener("click", (event) => this.click(event));
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("focusin", ({ target }) => {
      if (target.dataset.id) this.activate(target.dataset.id);
    });
  }

  /** Shows other tiles, and keeps of the selection what is still there. */
  show(nodes, order) {
    this.order = order;
    this.ids = new Set(order.filter((id) => this.ids.has(id)));
    this.box.replaceChildren(...nodes);
    // Groups bring tiles together: a range follows what is seen
    this.order = this.tiles().map((tile) => tile.dataset.id);
    this.activate(this.order.includes(this.active) ? this.active : (this.order[0] ?? null));
    this.mark();
  }

  choose(ids) {
    this.ids = new Set(ids);
    this.mark();
  }

  add(ids) {
    this.choose([...this.ids, ...ids]);
  }

  focus() {
    this.tile(this.active)?.focus();
  }

  tiles() {
    return [...this.box.querySelectorAll("[data-id]")];
  }

  tile(id) {
    return this.tiles().find((tile) => tile.dataset.id === id);
  }

  mark() {
    for (const tile of this.tiles()) tile.setAttribute("aria-pressed", String(this.ids.has(tile.dataset.id)));
    this.changed();
  }

  activate(id) {
    this.active = id;
    for (const tile of this.tiles()) tile.tabIndex = tile.dataset.id === id ? 0 : -1;
  }

  click(event) {
    const id = event.target.closest("[data-id]")?.dataset.id;
    if (id === undefined) return;
    if (event.shiftKey && this.anchor !== null) {
      this.add(this.range(this.anchor, id));
      return;
    }
    this.anchor = id;
    if (this.ids.has(id)) this.ids.delete(id);
    else this.ids.add(id);
    this.mark();
  }

  key(event) {
    if (!event.target.dataset.id) return;
    if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.choose(this.order);
      return;
    }
    const to = this.neighbour(event.key, event.target);
    if (to === undefined) return;
    event.preventDefault();
    if (event.shiftKey) {
      this.anchor ??= this.active;
      this.add(this.range(this.anchor, to.dataset.id));
    } else {
      this.anchor = to.dataset.id;
    }
    to.focus();
  }

  neighbour(key, from) {
    const tiles = this.tiles();
    const at = tiles.indexOf(from);
    switch (key) {
      case "ArrowRight":
        return tiles[at + 1];
      case "ArrowLeft":
        return tiles[at - 1];
      case "Home":
        return tiles[0];
      case "End":
        return tiles.at(-1);
      case "ArrowDown":
        return nearest(from, tiles.slice(at + 1), 1);
      case "ArrowUp":
        return nearest(from, tiles.slice(0, at).reverse(), -1);
      default:
        return undefined;
    }
  }

  range(from, to) {
    const [a, b] = [this.order.indexOf(from), this.order.indexOf(to)].sort((x, y) => x - y);
    return this.order.slice(Math.max(0, a), b + 1);
  }
}

/** The tile of the next row that is nearest from side to side. */
function nearest(from, others, direction) {
  const { left, top } = from.getBoundingClientRect();
  const below = others
    .map((tile) => ({ tile, box: tile.getBoundingClientRect() }))
    .filter(({ box }) => direction * (box.top - top) > 4);
  if (!below.length) return undefined;
  const row = below[0].box.top;
  const inRow = below.filter(({ box }) => Math.abs(box.top - row) < 4);
  inRow.sort((a, b) => Math.abs(a.box.left - left) - Math.abs(b.box.left - left));
  return inRow[0].tile;
}

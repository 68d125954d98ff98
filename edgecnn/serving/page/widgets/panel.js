/** What panels have in common: they draw at most once for each image of the screen. */
export class Panel {
  constructor(state) {
    this.state = state;
    this.drawing = false;
  }

  /** Calls `draw` when the screen shows its next image, once however often it was asked for. */
  drawSoon() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.draw();
    });
  }
}

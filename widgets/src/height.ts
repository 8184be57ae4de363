// Telling the host how high the page is.
//
// The SDK can do this as well, but it tells the width too, which some hosts then make the frame's
// for good (goose #7256), and it goes on in full screen, where the height depends on the frame's.

type Tell = (height: number) => void;

export class Height {
  readonly #page = document.getElementById("page") ?? document.body;
  readonly #tell: Tell;
  readonly #sizes = new ResizeObserver(() => this.again());
  // Browsers do not lay out frames that are scrolled out of view, so that no size changes there;
  // but a page that grows only when somebody gets to it jumps before their eyes.
  readonly #changes = new MutationObserver(() => this.again());
  #told = 0;

  constructor(tell: Tell) {
    this.#tell = tell;
    this.#sizes.observe(this.#page);
    this.#changes.observe(this.#page, { attributes: true, childList: true, subtree: true });
    this.again();
  }

  /** Tell it if it is another one, or if the host may have forgotten it over a full screen. */
  again(): void {
    if (document.documentElement.dataset["mode"] === "fullscreen") {
      this.#told = 0;
      return;
    }
    const height = Math.ceil(this.#page.getBoundingClientRect().height);
    if (height === 0 || height === this.#told) return;
    this.#told = height;
    this.#tell(height);
  }

  stop(): void {
    this.#sizes.disconnect();
    this.#changes.disconnect();
  }
}

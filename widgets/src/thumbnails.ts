// Small pictures for the tiles of the gallery: the file itself, or one that the server made.

import { el, fill, icon } from "./dom.ts";
import { kindOf, type Generation, type Output } from "./generation.ts";
import { isBlocked, policyNews } from "./policy.ts";

const AT_ONCE = 2;
const ICONS = { video: "video", picture: "picture", layers: "layers" } as const;

/** Asks for a poster; null if there is none. */
export type AskPoster = (generation: Generation) => Promise<string | null>;

/** Loads what comes into view, and asks the server for no more than two pictures at a time. */
export class Thumbnails {
  readonly #ask: AskPoster;
  readonly #observer: IntersectionObserver;
  readonly #waiting = new Map<Element, Generation>();
  #queue: { box: HTMLElement; generation: Generation }[] = [];
  readonly #inView = new Set<Element>();
  #asking = 0;

  constructor(ask: AskPoster) {
    this.#ask = ask;
    this.#observer = new IntersectionObserver((entries) => this.#see(entries), {
      rootMargin: "200px",
    });
  }

  /** A box for a generation, filled as soon as it comes into view. */
  box(generation: Generation): HTMLElement {
    const box = el("div", { class: "picture", "aria-hidden": "true" }, signOf(generation));
    if (generation.state === "completed") {
      this.#waiting.set(box, generation);
      this.#observer.observe(box);
    }
    return box;
  }

  forget(box: Element): void {
    this.#observer.unobserve(box);
    this.#waiting.delete(box);
    this.#inView.delete(box);
    this.#queue = this.#queue.filter((one) => one.box !== box);
  }

  #see(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const generation = this.#waiting.get(target);
      if (isIntersecting) this.#inView.add(target);
      else this.#inView.delete(target);
      if (isIntersecting && generation && target instanceof HTMLElement) {
        this.#waiting.delete(target);
        void this.#load(target, generation);
      }
    }
    this.#drain();
  }

  async #load(box: HTMLElement, generation: Generation): Promise<void> {
    const file = [...generation.outputs, ...generation.layers].find(({ kind }) => kind !== "file");
    if (file && !isBlocked(file.link)) {
      if (await shown(box, file)) return;
      await policyNews();
      fill(box, signOf(generation));
    }
    this.#queue.push({ box, generation });
    this.#drain();
  }

  /** Those in view come first; those that left it wait until they come back. */
  #drain(): void {
    while (this.#asking < AT_ONCE) {
      const next = this.#queue.findIndex(({ box }) => this.#inView.has(box));
      const [found] = next < 0 ? [] : this.#queue.splice(next, 1);
      if (!found) return;
      this.#asking += 1;
      void this.#ask(found.generation).then((poster) => {
        this.#asking -= 1;
        if (poster) showPoster(found.box, found.generation, poster);
        this.#drain();
      });
    }
  }
}

export function signOf(generation: Generation): SVGElement {
  return icon(ICONS[kindOf(generation)]);
}

function shown(box: HTMLElement, { kind, link }: Output): Promise<boolean> {
  return new Promise((resolve) => {
    if (kind === "picture") {
      const picture = el("img", { alt: "", decoding: "async" });
      picture.addEventListener("load", () => resolve(true));
      picture.addEventListener("error", () => resolve(false));
      picture.src = link;
      fill(box, picture);
    } else {
      const video = el("video", { playsinline: true, preload: "metadata", tabindex: -1 });
      video.muted = true;
      video.addEventListener("loadeddata", () => resolve(true));
      video.addEventListener("error", () => resolve(false));
      video.src = `${link}#t=0.001`;
      fill(box, video);
    }
  });
}

function showPoster(box: HTMLElement, generation: Generation, poster: string): void {
  const picture = el("img", { alt: "" });
  picture.addEventListener("error", () => fill(box, signOf(generation)));
  picture.src = poster;
  fill(box, picture);
}

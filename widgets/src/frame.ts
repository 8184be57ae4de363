// The place where a result is seen: it keeps the room, loads the media, and knows what to do if
// that fails: fresh links once, then a small picture from the server, then only a button.

import { el, fill, icon } from "./dom.ts";
import type { Link } from "./generation.ts";
import { isBlocked, policyNews } from "./policy.ts";
import type { Source } from "./sources.ts";
import { boundedRatio } from "./wording.ts";

export interface Renewed {
  readonly source: Source | null;
  readonly poster: string | null;
}

export interface FrameOwner {
  /** Ask the server for links that work, and for a small picture; null if it cannot be asked. */
  renew(key: string, withPoster: boolean): Promise<Renewed | null>;
  /** Open it elsewhere; null if the host does not. */
  opener(): (() => void) | null;
  shaped(ratio: number): void;
}

const USUAL_RATIO = 16 / 9;
const TALL = 0.8;
// A link lives for an hour; one that dies sooner, and again, was not what was wrong.
const LATE_RENEWALS_APART_MS = 60_000;
const NOUNS = { video: "video", picture: "picture", file: "file" } as const;

export class Frame {
  readonly element = el("div", { class: "frame" });
  readonly #owner: FrameOwner;
  #key: string | null = null;
  #turn = 0;
  #renewedAt = -Infinity;

  constructor(owner: FrameOwner) {
    this.#owner = owner;
    this.reserve(USUAL_RATIO);
  }

  /** Keep the room for something of a ratio, width through height. */
  reserve(ratio: number): void {
    this.element.style.setProperty("--ratio", ratio.toFixed(5));
    this.element.dataset["shape"] = ratio < TALL ? "tall" : "wide";
    this.#owner.shaped(ratio);
  }

  hide(): void {
    this.#begin(null, "none");
    this.element.hidden = true;
  }

  /** Nothing to see yet; while Luma is at work, lights wander and the time is told. */
  wait(isAtWork: boolean, timer: HTMLElement): void {
    const key = isAtWork ? "work" : "wait";
    if (this.#key === key) return;
    this.#begin(key, key);
    const lights = el("div", { class: "lights", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    fill(this.element, lights, timer);
  }

  show(source: Source, isStale: boolean): void {
    if (this.#key === source.key) return;
    void this.#present(source, isStale);
  }

  pause(): void {
    this.element.querySelector("video")?.pause();
  }

  #begin(key: string | null, kind: string): number {
    this.pause();
    this.#key = key;
    this.element.hidden = false;
    this.element.dataset["kind"] = kind;
    fill(this.element);
    this.#turn += 1;
    return this.#turn;
  }

  /** Try the link there is, then a fresh one, then a small picture from the server. */
  async #present(source: Source, isStale: boolean): Promise<void> {
    const turn = this.#begin(source.key, "media");
    const isOver = (): boolean => turn !== this.#turn;
    if (!isStale && !isForbidden(source)) {
      if ((await this.#load(source)) || isOver()) return;
      await policyNews();
    }
    let latest = source;
    if (!isForbidden(source)) {
      const renewed = (await this.#owner.renew(source.key, false))?.source;
      if (isOver()) return;
      latest = renewed ?? source;
      // The server may know the job no more, and an old link work all the same.
      if ((renewed || isStale) && ((await this.#load(latest)) || isOver())) return;
    }
    const last = await this.#owner.renew(source.key, true);
    if (!isOver()) this.#fallBack(last?.source ?? latest, last?.poster ?? null);
  }

  /** Put the media in; true as soon as they are there, false if they do not come. */
  #load(source: Source): Promise<boolean> {
    const [file] = source.files;
    if (!file || file.kind === "file") return Promise.resolve(false);
    return file.kind === "video" ? this.#loadVideo(source, file.link) : this.#loadPictures(source);
  }

  #loadVideo(source: Source, link: Link): Promise<boolean> {
    const video = el("video", {
      controls: true,
      // The browser's own does nothing in a sandbox.
      controlslist: "nodownload",
      playsinline: true,
      preload: "metadata",
      loop: source.loops,
      "aria-label": source.label,
    });
    // Without a moment to go to, Safari shows no first frame.
    video.src = `${link}#t=0.001`;
    fill(this.element, video);
    return new Promise((resolve) => {
      let isThere = false;
      video.addEventListener("loadedmetadata", () => {
        isThere = true;
        this.#measured(video.videoWidth, video.videoHeight);
        resolve(true);
      });
      // Before Chromium's own controls hear of it, which pause the video.
      const fail = (): void => {
        resolve(false);
        if (isThere) void this.#renewLate(source, video);
      };
      video.addEventListener("error", fail, { capture: true });
    });
  }

  /** A link ran out while the video was watched: go on from there, in the same element. */
  async #renewLate(source: Source, video: HTMLVideoElement): Promise<void> {
    const turn = this.#turn;
    const { currentTime, paused } = video;
    const isTooSoon = performance.now() - this.#renewedAt < LATE_RENEWALS_APART_MS;
    this.#renewedAt = performance.now();
    const renewed = await this.#owner.renew(source.key, isTooSoon);
    if (turn !== this.#turn) return;
    const file = renewed?.source?.files[0];
    if (isTooSoon || !file) return this.#fallBack(renewed?.source ?? source, renewed?.poster);
    video.src = `${file.link}#t=${currentTime}`;
    if (!paused) void video.play().catch(() => undefined);
  }

  async #loadPictures(source: Source): Promise<boolean> {
    const pictures = source.files.map(({ link }, place) => {
      const picture = el("img", { alt: place === 0 ? source.label : "", decoding: "async" });
      picture.referrerPolicy = "no-referrer";
      const loaded = new Promise<boolean>((resolve) => {
        picture.addEventListener("load", () => resolve(true));
        picture.addEventListener("error", () => resolve(false));
      });
      picture.src = link;
      return { picture, loaded };
    });
    // The one in front is the last to be painted.
    const pile = el("div", { class: "pile" }, ...pictures.map(({ picture }) => picture).reverse());
    fill(this.element, pile);
    const [first] = pictures;
    if (!first || !(await first.loaded)) return false;
    this.#measured(first.picture.naturalWidth, first.picture.naturalHeight);
    const rest = await Promise.all(pictures.map(({ loaded }) => loaded));
    return rest.every((isLoaded) => isLoaded);
  }

  #measured(width: number, height: number): void {
    const ratio = boundedRatio(width, height);
    if (ratio) this.reserve(ratio);
  }

  #fallBack(source: Source, poster: string | null = null): void {
    this.element.dataset["kind"] = "elsewhere";
    const kind = source.files[0]?.kind ?? "file";
    const open = this.#owner.opener();
    const button = el(
      "button",
      { type: "button", class: "button open", click: () => open?.() },
      icon(kind === "video" ? "play" : "open"),
      `Open ${NOUNS[kind]}`,
    );
    const sorry = el("p", { class: "sorry" }, "This chat does not show the file here.");
    fill(this.element, poster && this.#posterOf(source, poster), open ? button : sorry);
  }

  #posterOf(source: Source, poster: string): HTMLImageElement {
    const picture = el("img", { class: "poster", alt: source.label });
    picture.addEventListener("load", () =>
      this.#measured(picture.naturalWidth, picture.naturalHeight),
    );
    picture.addEventListener("error", () => picture.remove());
    picture.src = poster;
    return picture;
  }
}

function isForbidden({ files }: Source): boolean {
  return files.some(({ link }) => isBlocked(link));
}

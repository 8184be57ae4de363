// The place where a result is seen: it keeps the room, loads the media, and knows what to do if
// that fails: fresh links once, then a small picture from the server, then only a button.

import { el, fill, icon } from "./dom.ts";
import type { Link, Output } from "./generation.ts";
import { boundedRatio } from "./wording.ts";

/** What is to be seen: one file, or the layers of a picture in one pile, the front one first. */
export interface Source {
  readonly key: string;
  readonly label: string;
  readonly files: readonly Output[];
  readonly loops: boolean;
}

export interface Renewed {
  readonly source: Source | null;
  readonly poster: string | null;
}

export interface FrameOwner {
  /** Ask the server for links that work, and for a small picture; null if it cannot be asked. */
  renew(key: string, withPoster: boolean): Promise<Renewed | null>;
  /** Open it elsewhere; null if the host does not. */
  opener(): ((key: string) => void) | null;
  shaped(ratio: number): void;
}

type Step = "first" | "renewed";

const USUAL_RATIO = 16 / 9;
const TALL = 0.8;
const LATE_RENEWALS = 3;
const NOUNS = { video: "video", picture: "picture", file: "file" } as const;

// Origins that the host does not let the page load from, whatever was asked for.
const blockedOrigins = new Set<string>();
document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
  if (!/^(?:media|img|default)-src/.test(effectiveDirective)) return;
  if (/^https?:/.test(blockedURI)) blockedOrigins.add(new URL(blockedURI).origin);
});

export function isBlocked(link: Link): boolean {
  return blockedOrigins.has(new URL(link).origin);
}

/** The news that it was the policy may come a moment after the news that nothing came. */
export function policyNews(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}

export class Frame {
  readonly element = el("div", { class: "frame" });
  readonly #owner: FrameOwner;
  #key: string | null = null;
  #turn = 0;
  #lateRenewals = 0;

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
    this.#lateRenewals = 0;
    void this.#present(source, isStale, null);
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

  async #present(source: Source, isStale: boolean, from: number | null): Promise<void> {
    const turn = this.#begin(source.key, "media");
    const isOver = (): boolean => turn !== this.#turn;
    let step: Step = "first";
    let tried = source;
    if (isStale) {
      step = "renewed";
      tried = (await this.#owner.renew(source.key, false))?.source ?? source;
      if (isOver() || (await this.#load(tried, from)) || isOver()) return;
    } else if (!isForbidden(source)) {
      if ((await this.#load(source, from)) || isOver()) return;
      await policyNews();
    }
    if (step === "first" && !isForbidden(source)) {
      const renewed = (await this.#owner.renew(source.key, false))?.source;
      if (isOver()) return;
      tried = renewed ?? tried;
      if (renewed && ((await this.#load(renewed, from)) || isOver())) return;
    }
    const last = await this.#owner.renew(source.key, true);
    if (!isOver()) this.#fallBack(last?.source ?? tried, last?.poster ?? null);
  }

  /** Put the media in; true as soon as they are there, false if they do not come. */
  #load(source: Source, from: number | null): Promise<boolean> {
    const [file] = source.files;
    if (!file || file.kind === "file") return Promise.resolve(false);
    if (file.kind === "video") return this.#loadVideo(source, file, from);
    return this.#loadPictures(source);
  }

  #loadVideo(source: Source, file: Output, from: number | null): Promise<boolean> {
    const video = el("video", {
      controls: true,
      playsinline: true,
      preload: "metadata",
      loop: source.loops,
      "aria-label": source.label,
    });
    // Without a moment to go to, Safari shows no first frame.
    video.src = `${file.link}#t=${from ?? 0.001}`;
    fill(this.element, video);
    return new Promise((resolve) => {
      video.addEventListener("loadedmetadata", () => {
        this.#measured(video.videoWidth, video.videoHeight);
        resolve(true);
      });
      video.addEventListener("error", () => {
        resolve(false);
        if (video.readyState > 0) this.#renewLate(source, video.currentTime);
      });
    });
  }

  /** A link ran out while the video was played: go on where it stopped. */
  #renewLate(source: Source, from: number): void {
    if (this.#key !== source.key) return;
    this.#lateRenewals += 1;
    if (this.#lateRenewals <= LATE_RENEWALS) void this.#present(source, true, from);
    else this.#fallBack(source, null);
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

  #fallBack(source: Source, poster: string | null): void {
    this.element.dataset["kind"] = "elsewhere";
    const kind = source.files[0]?.kind ?? "file";
    const open = this.#owner.opener();
    const button = el(
      "button",
      { type: "button", class: "button open", click: () => open?.(source.key) },
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

// What the pages say. The words are English; numbers and dates follow the reader's language.

import type { Fields, Generation, Kind } from "./generation.ts";
import { kindOf, titled } from "./generation.ts";

const STATES: Readonly<Record<string, string>> = {
  queued: "Queued",
  dreaming: "Dreaming",
  processing: "Processing",
  completed: "Ready",
  failed: "Failed",
  unknown: "In progress",
};
const KINDS: Readonly<Record<string, string>> = {
  video: "Video",
  video_edit: "Restyled video",
  modify_video: "Restyled video",
  video_reframe: "Reframed video",
  reframe_video: "Reframed video",
  upscale_video: "Upscaled video",
  add_audio: "Video with sound",
  image: "Picture",
  image_edit: "Edited picture",
  reframe_image: "Reframed picture",
  layering: "Layers",
};
const BY_KIND: Readonly<Record<Kind, string>> = {
  video: "Video",
  picture: "Picture",
  layers: "Layers",
};
export const WAITING = "Waiting for Luma…";
export const REFUNDS = {
  true: "Luma gave the credits back.",
  false: "Luma did not give the credits back.",
  null: "Whether Luma gave the credits back is not known.",
} as const;

export function stateWord(state: string): string {
  return STATES[state] ?? titled(state);
}

export function kindWord(generation: Generation): string {
  return KINDS[generation.type ?? ""] ?? BY_KIND[kindOf(generation)];
}

/** The reader's language and place, as the host says. */
export class Speech {
  #locale: string | undefined;
  #timeZone: string | undefined;

  set(locale: string | null, timeZone: string | null): void {
    this.#locale = locale && isKnown({ locale }) ? locale : undefined;
    this.#timeZone = timeZone && isKnown({ timeZone }) ? timeZone : undefined;
  }

  get locale(): string {
    return this.#locale ?? navigator.language;
  }

  count(number: number): string {
    return new Intl.NumberFormat(this.#locale).format(number);
  }

  dollars(amount: number): string {
    const options = { style: "currency", currency: "USD" } as const;
    const digits = amount < 0.1 ? { maximumFractionDigits: 3 } : {};
    return new Intl.NumberFormat(this.#locale, { ...options, ...digits }).format(amount);
  }

  moment(time: number): string {
    const options = { dateStyle: "medium", timeStyle: "short" } as const;
    const place = this.#timeZone ? { timeZone: this.#timeZone } : {};
    return new Intl.DateTimeFormat(this.#locale, { ...options, ...place }).format(time);
  }

  /** "5 minutes ago": in English, since it stands between English words. */
  age(milliseconds: number): string {
    const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
    const minutes = Math.floor(Math.max(0, milliseconds) / 60_000);
    if (minutes < 1) return "just now";
    if (minutes < 60) return format.format(-minutes, "minute");
    if (minutes < 24 * 60) return format.format(-Math.floor(minutes / 60), "hour");
    const days = Math.floor(minutes / (24 * 60));
    if (days < 45) return format.format(-days, "day");
    return format.format(-Math.round(days / 30), days < 540 ? "month" : "year");
  }

  /** "1:05", "1:01:05". */
  elapsed(milliseconds: number): string {
    const seconds = Math.floor(Math.max(0, milliseconds) / 1_000);
    const two = new Intl.NumberFormat(this.#locale, { minimumIntegerDigits: 2 });
    const one = new Intl.NumberFormat(this.#locale, { useGrouping: false });
    const hours = Math.floor(seconds / 3_600);
    const minutes = Math.floor(seconds / 60) % 60;
    const parts = hours > 0 ? [one.format(hours), two.format(minutes)] : [one.format(minutes)];
    return [...parts, two.format(seconds % 60)].join(":");
  }
}

function isKnown({ locale, timeZone }: { locale?: string; timeZone?: string }): boolean {
  try {
    new Intl.DateTimeFormat(locale, timeZone ? { timeZone } : {});
    return true;
  } catch {
    return false;
  }
}

const RATIO = /^(\d{1,5}):(\d{1,5})$/;
const WIDEST = 4;

/** Width through height of a ratio such as "16:9", if it is one that a page can hold. */
export function ratioOf(value: unknown): number | null {
  const match = typeof value === "string" ? RATIO.exec(value) : null;
  return match ? boundedRatio(Number(match[1]), Number(match[2])) : null;
}

export function boundedRatio(width: number, height: number): number | null {
  if (!(width > 0 && height > 0)) return null;
  return Math.min(WIDEST, Math.max(1 / WIDEST, width / height));
}

/** The job that a call is about, if it only looks: elsewhere `generation_id` names the source. */
export function lookedAt(given: Fields): unknown {
  const making = ["prompt", "resolution", "aspect_ratio", "mode", "media_url", "model"];
  return making.some((name) => name in given) ? null : given["generation_id"];
}

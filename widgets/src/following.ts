// Following a job to its end: one call at a time, gently, and only while somebody looks.

import type { Trouble } from "./answers.ts";
import type { Generation } from "./generation.ts";

export type Refreshed = { readonly generation: Generation } | { readonly trouble: Trouble };

/** The job that is followed, and who wants to hear of it. */
export interface Followed {
  readonly knownState: string | null;
  /** Ask once; the server answers when the state is another one, or after `STAY_SECONDS`. */
  refresh(knownState: string | null): Promise<Refreshed>;
  heard(generation: Generation): void;
  /** A call failed; there will be another one. */
  troubled(trouble: Trouble): void;
  /** There will be no more calls: because of this, or because it took too long. */
  gaveUp(trouble: Trouble | null): void;
}

/** What of the world it depends on, so that a test can turn the clock. */
export interface World {
  now(): number;
  pause(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** Return as soon as somebody looks. */
  seen(signal: AbortSignal): Promise<void>;
}

export const STAY_SECONDS = 20;
const PATIENCE_MS = 30 * 60 * 1_000;
const MAX_PAUSE_MS = 60 * 1_000;
const LONGEST_ADVISED_MS = 10 * 60 * 1_000;
// Between the starts of two calls: a server that answers at once must not be asked all the time.
const GAP_MS = 5_000;
const GAP_AFTER_NEWS_MS = 500;

export async function follow(followed: Followed, world: World, signal: AbortSignal): Promise<void> {
  let known = followed.knownState;
  let failures = 0;
  let deadline = world.now() + PATIENCE_MS;
  while (!signal.aborted) {
    const hiddenFrom = world.now();
    await world.seen(signal);
    deadline += world.now() - hiddenFrom; // nobody lost patience while nobody looked
    if (signal.aborted) return;
    if (world.now() >= deadline) return followed.gaveUp(null);
    const started = world.now();
    const answer = await followed.refresh(known);
    if (signal.aborted) return;
    if ("generation" in answer) {
      const { generation } = answer;
      const gap = generation.state === known ? GAP_MS : GAP_AFTER_NEWS_MS;
      failures = 0;
      known = generation.state;
      followed.heard(generation);
      if (generation.isFinal) return;
      await world.pause(gap - (world.now() - started), signal);
    } else if (!answer.trouble.isRetryable) {
      return followed.gaveUp(answer.trouble);
    } else {
      failures += 1;
      followed.troubled(answer.trouble);
      await world.pause(pauseAfter(failures, answer.trouble.retryAfterSeconds), signal);
    }
  }
}

/** 2 s, 4 s, 8 s … a minute; longer if the server says so. */
export function pauseAfter(failures: number, retryAfterSeconds: number | null): number {
  const own = Math.min(1_000 * 2 ** failures, MAX_PAUSE_MS);
  const advised = Math.min((retryAfterSeconds ?? 0) * 1_000, LONGEST_ADVISED_MS);
  return Math.max(own, advised);
}

export const BROWSER: World = {
  now: () => performance.now(),
  pause: (milliseconds, signal) =>
    new Promise((resolve) => {
      if (milliseconds <= 0 || signal.aborted) return resolve();
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener("abort", end);
    }),
  seen: (signal) =>
    new Promise((resolve) => {
      if (!document.hidden || signal.aborted) return resolve();
      const look = (): void => {
        if (document.hidden && !signal.aborted) return;
        document.removeEventListener("visibilitychange", look);
        signal.removeEventListener("abort", look);
        resolve();
      };
      document.addEventListener("visibilitychange", look);
      signal.addEventListener("abort", look);
    }),
};

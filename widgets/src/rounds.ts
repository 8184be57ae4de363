// Seeing how the running jobs of a list are doing: one after the other, while somebody looks.

import { BROWSER, pauseAfter } from "./following.ts";
import type { Generation } from "./generation.ts";

const REFRESH_EVERY_MS = 6_000;

/** Go round until told to stop; `refresh` says whether the server answered. */
export async function goRound(
  running: () => readonly Generation[],
  refresh: (generation: Generation) => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let last = "";
  while (!signal.aborted) {
    await BROWSER.pause(pauseOf(failures), signal);
    await BROWSER.seen(signal);
    const next = after(last, running());
    if (signal.aborted || !next) continue;
    last = next.id;
    failures = (await refresh(next)) ? 0 : failures + 1;
  }
}

/** The one behind the last that was asked for, in turn. */
function after(last: string, running: readonly Generation[]): Generation | null {
  const place = running.findIndex(({ id }) => id === last) + 1;
  return running[place % running.length] ?? null;
}

function pauseOf(failures: number): number {
  return Math.max(REFRESH_EVERY_MS, failures > 0 ? pauseAfter(failures, null) : 0);
}

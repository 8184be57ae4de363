// The server's time: a reader's clock may be wrong, and ages would be with it.

import type { Generation } from "./generation.ts";

const NOISE_MS = 5_000;
let ahead = 0;

export function now(): number {
  return Date.now() + ahead;
}

/** Learn from an answer that was given this moment; those that a host shows again are older. */
export function learn({ asOf }: Generation): void {
  if (asOf === null) return;
  const difference = asOf - Date.now();
  ahead = Math.abs(difference) > NOISE_MS ? difference : 0;
}

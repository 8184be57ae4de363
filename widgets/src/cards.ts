// One open card per job: those of one job find each other, and the newest stays open.

import { fieldsOf, numberOf } from "./generation.ts";

const CHANNEL = "luma-mcp:cards";

interface Claim {
  readonly job: string;
  readonly rank: number;
  readonly card: string;
}

/** This page's card. Where the host gives the page no origin, it simply hears of no other. */
export class Card {
  readonly #channel = openChannel();
  readonly #card = Math.random().toString(36).slice(2);
  readonly #fold: () => void;
  #job: string | null = null;
  #rank = 0;
  #highest = 0;
  #isFolded = false;

  constructor(fold: () => void) {
    this.#fold = fold;
    this.#channel?.addEventListener("message", ({ data }) => this.#hear(claimOf(data)));
  }

  /** Show a job as it was told at some time; who was told later comes after this card. */
  show(job: string, toldAt: number): void {
    if (this.#job === job && toldAt <= this.#rank) return;
    const isOther = this.#job !== job;
    this.#job = job;
    this.#rank = toldAt;
    if (isOther) this.#isFolded = false;
    if (!this.#isFolded) this.#claim();
  }

  /** The reader wants it here. */
  take(): void {
    this.#isFolded = false;
    this.#rank = Math.max(this.#rank, this.#highest) + 1;
    this.#claim();
  }

  close(): void {
    this.#channel?.close();
  }

  #claim(): void {
    this.#channel?.postMessage({ job: this.#job, rank: this.#rank, card: this.#card });
  }

  #hear(claim: Claim | null): void {
    if (!claim || claim.job !== this.#job || claim.card === this.#card) return;
    this.#highest = Math.max(this.#highest, claim.rank);
    if (this.#isFolded) return;
    // Of the same rank is the same answer, shown by another tab or by a frame that goes away.
    if (this.#rank < claim.rank) {
      this.#isFolded = true;
      this.#fold();
    } else if (this.#rank > claim.rank) {
      this.#claim();
    }
  }
}

function openChannel(): BroadcastChannel | null {
  try {
    return new BroadcastChannel(CHANNEL);
  } catch {
    return null; // a host may forbid it
  }
}

function claimOf(data: unknown): Claim | null {
  const { job, rank: told, card } = fieldsOf(data);
  const rank = numberOf(told);
  if (typeof job !== "string" || typeof card !== "string" || rank === null) return null;
  return { job, rank, card };
}

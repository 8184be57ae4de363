// What a page knows of its job: what was asked, what was answered, and how it stands.

import type { Trouble } from "./answers.ts";
import { now } from "./clock.ts";
import { idOf, newerOf, textOf, type Fields, type Generation } from "./generation.ts";
import { sourcesOf, type Source } from "./sources.ts";
import { lookedAt, stateWord, WAITING } from "./wording.ts";

export type Tone = "waiting" | "running" | "done" | "failed" | "trouble" | "words";

// An answer that is older is one of long ago, shown again: the model knows how it went on.
const LIVE_MS = 10 * 60 * 1_000;

export class Knowledge {
  /** What the tool was asked. */
  given: Fields = {};
  generation: Generation | null = null;
  trouble: Trouble | null = null;
  /** An answer that is only words. */
  text: string | null = null;
  /** Said quietly while the job runs. */
  note = "";
  isCancelled = false;
  /** Nobody asks any more how it stands, though it has not come to its end. */
  isStuck = false;
  /** Somebody is asking. */
  isAsked = false;
  hasAnswer = false;
  #named: string | null = null;
  #wasSeenRunning = false;

  /** The job that all this is about, as far as it is known. */
  get id(): string | null {
    return (
      idOf(this.generation?.id) ??
      this.trouble?.generationId ??
      this.#named ??
      idOf(lookedAt(this.given))
    );
  }

  /** The job to follow; an error is about one only if it says so. */
  get followed(): string | null {
    const { generation, trouble } = this;
    return !generation && trouble ? trouble.generationId : this.id;
  }

  /** Whether it is worth it to ask once more. */
  get isWorthAsking(): boolean {
    return this.isStuck || (this.trouble?.isRetryable === true && !this.isAsked);
  }

  get tone(): Tone {
    const { generation, text, isCancelled, isAsked } = this;
    if (generation?.state === "failed") return "failed";
    if (generation) return generation.isFinal ? "done" : "running";
    if ((text || isCancelled) && !isAsked) return "words";
    return this.trouble ? "trouble" : "waiting";
  }

  get status(): string {
    const { tone } = this;
    if (this.generation) return stateWord(this.generation.state);
    if (tone === "waiting") return WAITING;
    if (tone === "trouble" && this.trouble) return this.trouble.message;
    return this.text ? "Luma answered" : "Stopped";
  }

  get prompt(): string | null {
    return this.generation ? this.generation.prompt : textOf(this.given["prompt"]);
  }

  get sources(): Source[] {
    return this.generation ? sourcesOf(this.generation, this.given["loop"] === true) : [];
  }

  /** The model was told that the job goes on, and this page saw its end. */
  get isNewsToTheModel(): boolean {
    return this.hasAnswer && this.#wasSeenRunning && this.generation?.isFinal === true;
  }

  isAbout(generation: Generation): boolean {
    return this.generation?.id === generation.id;
  }

  learn(generation: Generation): void {
    const known = this.isAbout(generation) ? this.generation : null;
    if (!known) this.#wasSeenRunning = false;
    this.generation = known ? newerOf(known, generation) : generation;
    const { isFinal, asOf } = generation;
    if (!isFinal && (asOf === null || now() - asOf < LIVE_MS)) this.#wasSeenRunning = true;
    this.trouble = null;
    this.text = null;
    this.#named = null;
    this.isCancelled = false;
    this.note = "";
    this.isStuck = false;
  }

  hearTrouble(trouble: Trouble): void {
    const id = trouble.generationId;
    if (this.generation && (!id || id === this.generation.id)) {
      this.note = trouble.message; // the job is none the worse for it
      return;
    }
    this.generation = null;
    this.trouble = trouble;
    this.isStuck = false;
  }

  /** An answer in words only, or a memory of one; the job may go by its name in it. */
  hearWords(text: string | null, id: string | null): void {
    this.text = text;
    this.#named = id;
    this.isStuck = false;
  }

  askAgain(): void {
    this.#named = this.id;
    this.trouble = null;
    this.isStuck = false;
    this.note = "";
  }
}

// Asking the server how a job stands: once, or until its end.

import { brokenCall, readAnswer, REFUSED, type Trouble } from "./answers.ts";
import { learn } from "./clock.ts";
import { BROWSER, follow, STAY_SECONDS, type Followed, type Refreshed } from "./following.ts";
import type { Fields, Generation } from "./generation.ts";
import type { Host } from "./host.ts";

/** Who wants to hear of the job that is followed. */
export interface Follower {
  heard(generation: Generation): void;
  troubled(trouble: Trouble): void;
  gaveUp(trouble: Trouble | null): void;
}

export class Inquiry {
  readonly #follower: Follower;
  #host: Host | null = null;
  #following: { id: string; controller: AbortController } | null = null;

  constructor(follower: Follower) {
    this.#follower = follower;
  }

  get isOn(): boolean {
    return this.#following !== null;
  }

  /** Ask this host from now on, or nobody. */
  ask(host: Host | null): void {
    this.#host = host;
  }

  /** Follow a job until it ends; of one that is followed already, go on. */
  start(id: string, knownState: string | null): void {
    if (!this.#host?.can.callTools || this.#following?.id === id) return;
    this.stop();
    const controller = new AbortController();
    const { signal } = controller;
    const followed: Followed = {
      knownState,
      refresh: (state) =>
        this.refresh(id, { timeout_seconds: STAY_SECONDS, known_state: state }, signal),
      heard: (generation) => {
        if (generation.isFinal) this.#following = null;
        this.#follower.heard(generation);
      },
      troubled: (trouble) => this.#follower.troubled(trouble),
      gaveUp: (trouble) => {
        this.#following = null;
        this.#follower.gaveUp(trouble);
      },
    };
    this.#following = { id, controller };
    void follow(followed, BROWSER, signal);
  }

  stop(): void {
    this.#following?.controller.abort();
    this.#following = null;
  }

  /** Ask once. */
  async refresh(
    id: string,
    given: Fields,
    signal?: AbortSignal,
  ): Promise<Refreshed & { poster?: string | null }> {
    const host = this.#host;
    if (!host?.can.callTools) return { trouble: REFUSED };
    try {
      const question = { generation_id: id, ...given };
      const reading = readAnswer(await host.callTool("refresh_generation", question, signal));
      if (reading.kind === "trouble") return reading;
      if (reading.kind === "words") return { trouble: brokenCall(null) };
      learn(reading.generation);
      return reading;
    } catch (error) {
      return { trouble: brokenCall(error) };
    }
  }
}

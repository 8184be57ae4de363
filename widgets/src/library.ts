// What the gallery asks the server for: pages of the list, small pictures, how a job stands.

import { brokenCall, posterOf, readAnswer, REFUSED, type ToolAnswer } from "./answers.ts";
import { learn } from "./clock.ts";
import type { Fields, Generation } from "./generation.ts";
import type { Host } from "./host.ts";

export class Library {
  readonly #signal: AbortSignal;
  #host: Host | null = null;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether the host lets the page ask. */
  get isOpen(): boolean {
    return this.#host?.can.callTools === true;
  }

  ask(host: Host): void {
    this.#host = host;
  }

  page(limit: number, offset: number): Promise<ToolAnswer> {
    return this.#call("list_generations", { limit, offset });
  }

  async poster({ id }: Generation): Promise<string | null> {
    const answer = await this.#call("refresh_generation", { generation_id: id, with_poster: true });
    return answer.isError ? null : posterOf(answer.structured);
  }

  async refreshed({ id, state }: Generation): Promise<Generation | null> {
    const given = { generation_id: id, timeout_seconds: 0, known_state: state };
    const reading = readAnswer(await this.#call("refresh_generation", given));
    if (reading.kind !== "generation") return null;
    learn(reading.generation);
    return reading.generation;
  }

  async #call(name: string, given: Fields): Promise<ToolAnswer> {
    const host = this.#host;
    if (!host?.can.callTools) return failed(REFUSED.message);
    try {
      return await host.callTool(name, given, this.#signal);
    } catch (error) {
      return failed(brokenCall(error).message);
    }
  }
}

function failed(text: string): ToolAnswer {
  return { structured: null, text, isError: true };
}

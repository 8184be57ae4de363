// What a tool answered: a job, a page of jobs, an error, or only words.

import {
  fieldsOf,
  generationOf,
  idOf,
  listOf,
  nameOf,
  numberOf,
  textOf,
  type Generation,
} from "./generation.ts";

/** An answer as the hosts hand it over, whichever dialect they speak. */
export interface ToolAnswer {
  readonly structured: unknown;
  readonly text: string | null;
  readonly isError: boolean;
}

export interface Trouble {
  readonly code: string | null;
  readonly message: string;
  readonly advice: string | null;
  readonly isRetryable: boolean;
  readonly retryAfterSeconds: number | null;
  readonly generationId: string | null;
}

export type Reading =
  | { readonly kind: "generation"; readonly generation: Generation; readonly poster: string | null }
  | { readonly kind: "trouble"; readonly trouble: Trouble }
  | { readonly kind: "words"; readonly text: string; readonly generationId: string | null };

export interface Page {
  readonly generations: readonly Generation[];
  readonly limit: number;
  readonly nextOffset: number | null;
}

const POSTER = /^data:image\/jpeg;base64,[a-z0-9+/]+=*$/i;
const MAX_POSTER = 400_000;
const ID_IN_WORDS = /(?:agents:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;
export const CANNOT_CHECK = "This chat does not let the page check by itself.";
const SPEECHLESS = "Luma gave an answer that cannot be shown here.";

export function readAnswer(answer: ToolAnswer): Reading {
  if (!answer.isError) {
    const generation = generationOf(answer.structured);
    if (generation) return { kind: "generation", generation, poster: posterOf(answer.structured) };
  }
  const fields = fieldsOf(answer.structured);
  if (answer.isError || (textOf(fields["code"]) && textOf(fields["message"]))) {
    return { kind: "trouble", trouble: troubleOf(answer) };
  }
  const text = textOf(answer.text) ?? SPEECHLESS;
  return { kind: "words", text, generationId: idOf(ID_IN_WORDS.exec(text)?.[0]) };
}

function troubleOf(answer: ToolAnswer): Trouble {
  const fields = fieldsOf(answer.structured);
  const message = textOf(fields["message"], 1_000);
  return {
    code: nameOf(fields["code"]),
    message: message ?? textOf(answer.text, 1_000) ?? "Something went wrong.",
    advice: message ? textOf(fields["advice"], 1_000) : null,
    isRetryable: fields["retryable"] === true,
    retryAfterSeconds: numberOf(fields["retry_after_seconds"]),
    generationId: idOf(fields["generation_id"]),
  };
}

export function posterOf(structured: unknown): string | null {
  const poster = fieldsOf(structured)["poster"];
  const isPoster = typeof poster === "string" && poster.length <= MAX_POSTER && POSTER.test(poster);
  return isPoster ? poster : null;
}

export function pageOf(answer: ToolAnswer): Page | null {
  const fields = fieldsOf(answer.structured);
  if (answer.isError || !Array.isArray(fields["generations"])) return null;
  const found = listOf(fields["generations"]).map((one) => generationOf(one));
  return {
    generations: found.filter((generation) => generation !== null),
    limit: numberOf(fields["limit"]) ?? 20,
    nextOffset: numberOf(fields["next_offset"]),
  };
}

/** Whether an error says that the host lets pages call no such tool. */
export function isRefusal(error: unknown): boolean {
  const { code, message } = fieldsOf(error);
  // JSON-RPC's "method not found"; some hosts know only the model's tools (fastmcp #5041).
  return code === -32_601 || /unknown tool|tool not found/i.test(textOf(message) ?? "");
}

/** An error of the host or of the way to the server; what else it may be, nobody knows. */
export function brokenCall(error: unknown): Trouble {
  const isRefused = isRefusal(error);
  return {
    code: null,
    message: isRefused ? CANNOT_CHECK : "The server could not be reached.",
    advice: null,
    isRetryable: !isRefused,
    retryAfterSeconds: null,
    generationId: null,
  };
}

/** As if the host had been asked and had refused. */
export const REFUSED = brokenCall({ code: -32_601 });

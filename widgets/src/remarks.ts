// What the gallery says of its list, and where there is none.

import type { Trouble } from "./answers.ts";
import { pushButton } from "./buttons.ts";
import { el, icon } from "./dom.ts";
import type { Speech } from "./wording.ts";

/** How much of the list there is, and how much of that is seen. */
export interface Extent {
  readonly all: number;
  readonly seen: number;
  readonly hasMore: boolean;
}

export function countOf({ all, seen, hasMore }: Extent, speech: Speech): string {
  if (all === 0) return "";
  const total = speech.count(all);
  const more = hasMore ? " so far" : "";
  return seen === all ? `${total} shown${more}` : `${speech.count(seen)} of ${total}${more}`;
}

export function troubleRemark({ message, advice }: Trouble): Element[] {
  return advice ? [reason(message), hint(advice)] : [reason(message)];
}

/** There is nothing to see: because there is nothing, or because of the filters. */
export function nothingRemark(all: number, showAll: () => void): Element[] {
  if (all > 0) {
    return [reason("Nothing here matches"), pushButton("Show all", "", null, showAll)];
  }
  const advice = "Ask for a video or a picture, and it will appear here.";
  return [icon("picture"), reason("No generations yet"), hint(advice)];
}

function reason(text: string): Element {
  return el("p", { class: "reason" }, text);
}

function hint(text: string): Element {
  return el("p", { class: "advice", dir: "auto" }, text);
}

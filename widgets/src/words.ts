// The lines and small pictures below the media.

import type { Trouble } from "./answers.ts";
import { pushButton } from "./buttons.ts";
import { el, say } from "./dom.ts";
import type { Generation } from "./generation.ts";
import { REFUNDS } from "./wording.ts";

export interface Said {
  readonly text: string;
  readonly look: string;
}

const NOTHING_TO_SEE: Said = { text: "Luma gave no file that can be shown.", look: "soft" };
const STOPPED = "The call was stopped before Luma answered.";

/** What there is to say of a job besides its prompt. */
export function wordsOn(generation: Generation, hasFiles: boolean): Said[] {
  const { state, failure, warnings } = generation;
  return [
    ...(state === "failed" ? failureWords(failure) : []),
    ...(state === "completed" && !hasFiles ? [NOTHING_TO_SEE] : []),
    ...warnings.map((text) => ({ text, look: "warning" })),
  ];
}

/** What there is to say as long as no job is known. */
export function wordsWithout(
  trouble: Trouble | null,
  text: string | null,
  isCancelled: boolean,
): Said[] {
  const plain = text ?? (isCancelled ? STOPPED : null);
  if (plain) return [{ text: plain, look: "plain" }];
  return trouble?.advice ? [{ text: trouble.advice, look: "advice" }] : [];
}

function failureWords(failure: Generation["failure"]): Said[] {
  const { reason = null, advice = null, refunded = null } = failure ?? {};
  return [
    { text: reason ?? "Luma does not say why.", look: "reason" },
    ...(advice ? [{ text: advice, look: "advice" }] : []),
    { text: REFUNDS[`${refunded}`], look: "soft" },
  ];
}

/** The prompt, cut to a few lines with a button for the rest. */
export function promptOf(prompt: string): HTMLElement {
  const text = el("p", { class: "prompt", dir: "auto" }, prompt);
  const more = pushButton("Show more", "text", null, () => {
    const isOpen = text.classList.toggle("whole");
    more.setAttribute("aria-expanded", String(isOpen));
    say(more, isOpen ? "Show less" : "Show more");
  });
  more.hidden = true;
  more.setAttribute("aria-expanded", "false");
  // Only where the text is cut; that depends on the width.
  new ResizeObserver(() => {
    if (!text.classList.contains("whole")) more.hidden = text.scrollHeight <= text.clientHeight + 2;
  }).observe(text);
  return el("div", {}, text, more);
}

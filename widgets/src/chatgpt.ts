// The dialect of ChatGPT before MCP Apps: an object `window.openai` and one event.

import type { ToolAnswer } from "./answers.ts";
import { fieldsOf, numberOf, textOf, type Fields } from "./generation.ts";
import type { DisplayMode, Host, Listener, Look } from "./host.ts";
import { answerOf } from "./standard.ts";

/** As documented at developers.openai.com/apps-sdk; each member may be missing. */
interface OpenAi {
  toolInput?: unknown;
  toolOutput?: unknown;
  theme?: unknown;
  locale?: unknown;
  maxHeight?: unknown;
  displayMode?: unknown;
  safeArea?: unknown;
  callTool?(name: string, given: Fields): Promise<unknown>;
  sendFollowUpMessage?(message: { prompt: string }): Promise<unknown>;
  openExternal?(link: { href: string }): unknown;
  requestDisplayMode?(wish: { mode: DisplayMode }): Promise<unknown>;
  notifyIntrinsicHeight?(height: number): unknown;
}

declare global {
  interface Window {
    openai?: OpenAi;
  }
}

const CHANGED = "openai:set_globals";

export function isThere(): boolean {
  return typeof window.openai === "object" && window.openai !== null;
}

/** The connection; `begin` may be called at once, since nobody has to answer. */
export class ChatGpt {
  readonly #listener: Listener;
  #shown: unknown;
  #hasBegun = false;
  #isLeft = false;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  begin(): Host {
    if (!this.#hasBegun) window.addEventListener(CHANGED, () => this.#hear());
    this.#hasBegun = true;
    this.#hear();
    return hostOf();
  }

  /** Say the height after each change of it: this host does not ask. */
  reportHeight(): void {
    const observer = new ResizeObserver(() => {
      const { height } = document.body.getBoundingClientRect();
      if (!this.#isLeft) window.openai?.notifyIntrinsicHeight?.(Math.ceil(height));
    });
    observer.observe(document.body);
  }

  /** The standard dialect answered after all. */
  leave(): void {
    this.#isLeft = true;
  }

  #hear(): void {
    if (this.#isLeft) return;
    const { toolInput, toolOutput } = window.openai ?? {};
    this.#listener.looked(lookOf());
    if (toolOutput === null || toolOutput === undefined) {
      if (toolInput) this.#listener.input(fieldsOf(toolInput));
    } else if (toolOutput !== this.#shown) {
      this.#shown = toolOutput;
      if (toolInput) this.#listener.input(fieldsOf(toolInput));
      this.#listener.answered(outputOf(toolOutput));
    }
  }
}

function outputOf(output: unknown): ToolAnswer {
  if (typeof output === "string") return { structured: null, text: output, isError: false };
  const { structuredContent, content } = fieldsOf(output);
  if (structuredContent || Array.isArray(content)) return answerOf(output);
  return { structured: output, text: textOf(fieldsOf(output)["text"]), isError: false };
}

function hostOf(): Host {
  const openai = window.openai ?? {};
  return {
    can: {
      callTools: Boolean(openai.callTool),
      sendMessages: Boolean(openai.sendFollowUpMessage),
      openLinks: Boolean(openai.openExternal),
      download: false,
      tellModel: false,
    },
    look: lookOf,
    callTool: async (name, given) => called(await window.openai?.callTool?.(name, given)),
    sendMessage: async (prompt) => {
      await window.openai?.sendFollowUpMessage?.({ prompt });
      return true;
    },
    openLink: async (href) => {
      await window.openai?.openExternal?.({ href });
      return true;
    },
    download: async () => false,
    tellModel: async () => false,
    setMode: async (mode) => {
      await window.openai?.requestDisplayMode?.({ mode });
    },
  };
}

/** An answer of `callTool`: a tool's result, or its text as JSON in `result`. */
function called(answer: unknown): ToolAnswer {
  const result = fieldsOf(answer)["result"];
  if (typeof result !== "string") return answerOf(result ?? answer);
  try {
    return { structured: JSON.parse(result) as unknown, text: result, isError: false };
  } catch {
    return { structured: null, text: result, isError: false };
  }
}

function lookOf(): Look {
  const openai = window.openai ?? {};
  const { theme, displayMode } = openai;
  const insets = fieldsOf(fieldsOf(openai.safeArea)["insets"]);
  const inset = (side: string): number => numberOf(insets[side]) ?? 0;
  return {
    theme: theme === "dark" || theme === "light" ? theme : null,
    locale: textOf(openai.locale, 40),
    timeZone: null,
    maxHeight: numberOf(openai.maxHeight),
    insets: {
      top: inset("top"),
      right: inset("right"),
      bottom: inset("bottom"),
      left: inset("left"),
    },
    mode: displayMode === "fullscreen" || displayMode === "pip" ? displayMode : "inline",
    offersFullscreen: Boolean(openai.requestDisplayMode),
  };
}

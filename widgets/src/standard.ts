// The dialect of MCP Apps (specification 2026-01-26), spoken by the official SDK.

import {
  App,
  applyHostFonts,
  applyHostStyleVariables,
  type McpUiHostContext,
} from "@modelcontextprotocol/ext-apps";
import { isRefusal, type ToolAnswer } from "./answers.ts";
import { fieldsOf, listOf, numberOf, textOf, type Fields } from "./generation.ts";
import { Height } from "./height.ts";
import { CALL_TIMEOUT_MS, type Abilities, type Host, type Listener, type Look } from "./host.ts";

const SELF = { name: "luma-mcp", version: "1.0.0" };
const LATEST_ANSWER_MS = 60 * 60 * 1_000; // a host may wait for its reader before it answers

/** The connection, of which nothing is heard before `connect` is called and a host answers. */
export class Standard {
  readonly #app = new App(
    SELF,
    { availableDisplayModes: ["inline", "fullscreen"] },
    { autoResize: false },
  );
  readonly #listener: Listener;
  #height: Height | null = null;
  #isLeft = false;

  constructor(listener: Listener) {
    this.#listener = listener;
    // Before the handshake: a host may send them right behind it, and only once.
    this.#app.addEventListener("toolinput", ({ arguments: given }) => {
      if (!this.#isLeft) listener.input(given ?? {});
    });
    this.#app.addEventListener("toolresult", (result) => {
      if (!this.#isLeft) listener.answered(answerOf(result));
    });
    this.#app.addEventListener("toolcancelled", () => {
      if (!this.#isLeft) listener.cancelled();
    });
    this.#app.addEventListener("hostcontextchanged", (changed) => {
      if (!this.#isLeft) this.#show(changed);
    });
    this.#app.onteardown = () => {
      this.#height?.stop();
      listener.torndown();
      return {};
    };
  }

  async connect(): Promise<Host> {
    await this.#app.connect(undefined, { timeout: LATEST_ANSWER_MS });
    if (!this.#isLeft) {
      this.#show(this.#app.getHostContext() ?? {});
      this.#height = new Height((height) => void this.#app.sendSizeChanged({ height }));
    }
    return hostOf(this.#app);
  }

  /** Another dialect was quicker: hear nothing any more. */
  leave(): void {
    this.#isLeft = true;
    void this.#app.close();
  }

  #show(changed: McpUiHostContext): void {
    if (changed.styles?.variables) applyHostStyleVariables(changed.styles.variables);
    if (changed.styles?.css?.fonts) applyHostFonts(changed.styles.css.fonts);
    this.#listener.looked(lookOf(this.#app.getHostContext() ?? changed));
    this.#height?.again();
  }
}

function hostOf(app: App): Host {
  const can = abilitiesOf(app);
  return {
    can,
    look: () => lookOf(app.getHostContext() ?? {}),
    callTool: async (name, given, signal) => {
      try {
        return await called(app, name, given, signal);
      } catch (error) {
        if (isRefusal(error)) can.callTools = false;
        throw error;
      }
    },
    sendMessage: async (text) =>
      !(await app.sendMessage({ role: "user", content: [{ type: "text", text }] })).isError,
    openLink: async (url) => !(await app.openLink({ url })).isError,
    download: async (files) => {
      const contents = files.map(({ link, name, mimeType }) => ({
        type: "resource_link" as const,
        uri: link,
        name,
        mimeType,
      }));
      return !(await app.downloadFile({ contents })).isError;
    },
    tellModel: async (text) => {
      await app.updateModelContext({ content: [{ type: "text", text }] });
      return true;
    },
    setMode: async (mode) => {
      await app.requestDisplayMode({ mode });
    },
    remember: () => undefined,
  };
}

async function called(
  app: App,
  name: string,
  given: Fields,
  signal: AbortSignal | undefined,
): Promise<ToolAnswer> {
  const patience = { timeout: CALL_TIMEOUT_MS };
  const options = signal ? { ...patience, signal } : patience;
  return answerOf(await app.callServerTool({ name, arguments: { ...given } }, options));
}

type Mutable<Type> = { -readonly [Name in keyof Type]: Type[Name] };

function abilitiesOf(app: App): Mutable<Abilities> {
  const host = app.getHostCapabilities() ?? {};
  const name = app.getHostVersion()?.name ?? "";
  // It takes messages into its input without saying that it can; and it takes the link of a file
  // for a resource of the MCP server, of which the reader gets nothing (chatMcpAppModel.ts).
  const isVsCode = name.startsWith("Visual Studio Code");
  // Made with a library that says nothing of what its host can, such as goose 1 (mcp-ui #175):
  // it is tried, and a refusal believed.
  const isSilent = name === "MCP-UI Host" && !host.serverTools;
  return {
    callTools: Boolean(host.serverTools) || isSilent,
    sendMessages: Boolean(host.message) || isVsCode || isSilent,
    openLinks: Boolean(host.openLinks),
    download: Boolean(host.downloadFile) && !isVsCode,
    tellModel: Boolean(host.updateModelContext),
  };
}

function lookOf(context: McpUiHostContext): Look {
  // A fixed `height` is no limit: ChatGPT says one, and lets the page grow all the same.
  const { maxHeight } = fieldsOf(context.containerDimensions);
  return {
    theme: context.theme ?? null,
    locale: context.locale ?? null,
    timeZone: context.timeZone ?? null,
    maxHeight: numberOf(maxHeight),
    insets: context.safeAreaInsets ?? null,
    mode: context.displayMode ?? "inline",
    offersFullscreen: Boolean(context.availableDisplayModes?.includes("fullscreen")),
  };
}

export function answerOf(result: unknown): ToolAnswer {
  const fields = fieldsOf(result);
  const texts = listOf(fields["content"]).map((block) => textOf(fieldsOf(block)["text"]));
  return {
    structured: fields["structuredContent"] ?? null,
    text: texts.find((text) => text !== null) ?? null,
    isError: fields["isError"] === true,
  };
}

/** The host's page: a client of the server, and a card with a sandbox for each tool call. */
import {
  AppBridge,
  PostMessageTransport,
  RESOURCE_MIME_TYPE,
  getToolUiResourceUri,
  type McpUiHostCapabilities,
  type McpUiHostContext,
  type McpUiResourceCsp,
  type McpUiResourcePermissions,
} from "@modelcontextprotocol/ext-apps/app-bridge";
import {
  Client,
  StreamableHTTPClientTransport,
  type CallToolResult,
  type Tool,
} from "@modelcontextprotocol/client";

type Arguments = Record<string, unknown>;
type Capability = keyof McpUiHostCapabilities;

/** How the host is to be with one card; everything has a default. */
interface Wishes {
  /** The dialect that the page is spoken to in. */
  dialect?: "standard" | "chatgpt";
  /** What the host cannot do. */
  without?: Capability[];
  /** The attribute of the innermost frame. */
  sandbox?: string;
  /** Whether the page may load from where its metadata says; some hosts ignore it. */
  grants?: boolean;
  /** Whether the page gets the permissions that its metadata asks for. */
  permits?: boolean;
  /** Whether the tool is called, but its answer kept until `deliver`. */
  holds?: boolean;
  /** How wide the frame is, in pixels. */
  width?: number;
  context?: McpUiHostContext;
}

/** A call by a page, and what became of it. */
interface ToolCall {
  name: string;
  arguments: Arguments;
  isError: boolean;
  isCancelled: boolean;
  answer: unknown;
}

/** What a page asked of the host, in order. */
interface Asked {
  toolCalls: ToolCall[];
  messages: unknown[];
  links: string[];
  downloads: unknown[];
  contexts: unknown[];
  sizes: { width?: number; height?: number }[];
  displayModes: string[];
  logs: unknown[];
}

interface Page {
  html: string;
  csp?: McpUiResourceCsp;
  permissions?: McpUiResourcePermissions;
}

/** One tool call, and the page that shows it. */
interface Card {
  asked: Asked;
  frame: HTMLIFrameElement;
  bridge?: AppBridge;
  result: Promise<CallToolResult>;
}

const HOST = { name: "luma-mcp-test-host", version: "1.0.0" };
const PROXY = new URL("/proxy", location.href.replace("127.0.0.1", "localhost"));
const SAME_ORIGIN = "allow-scripts allow-same-origin";
const CAPABILITIES: McpUiHostCapabilities = {
  openLinks: {},
  downloadFile: {},
  serverTools: {},
  logging: {},
  message: { text: {} },
  updateModelContext: { text: {}, structuredContent: {} },
};
const CONTEXT: McpUiHostContext = {
  theme: "light",
  locale: "en-US",
  timeZone: "UTC",
  displayMode: "inline",
  availableDisplayModes: ["inline"],
  containerDimensions: { maxHeight: 2000 },
  platform: "web",
  userAgent: "luma-mcp-test-host",
};

/** The conversation with one server, on behalf of one key. */
class Host {
  readonly cards: Card[] = [];
  tools: Tool[] = [];
  private client = new Client(HOST, {
    capabilities: {
      extensions: { "io.modelcontextprotocol/ui": { mimeTypes: [RESOURCE_MIME_TYPE] } },
    },
  });

  async connect(url: string, headers: Record<string, string>): Promise<void> {
    await this.client.connect(
      new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }),
    );
    this.tools = (await this.client.listTools()).tools;
  }

  /** The tools that the model is told of. */
  get forTheModel(): string[] {
    return this.tools.filter((tool) => isFor("model", tool)).map(({ name }) => name);
  }

  async call(name: string, values: Arguments, signal?: AbortSignal): Promise<CallToolResult> {
    const params = { name, arguments: values };
    return (await this.client.callTool(params, { signal })) as CallToolResult;
  }

  /** Call a tool as the model would, and show its page; gives the number of the card. */
  async open(name: string, values: Arguments, wishes: Wishes = {}): Promise<number> {
    const tool = this.tools.find((one) => one.name === name);
    const uri = tool && getToolUiResourceUri(tool);
    if (!uri) throw new Error(`${name} has no page`);
    const result = this.call(name, values);
    return this.show(await this.read(uri), values, result, wishes);
  }

  /** Show a page of the test's own. */
  async show(
    page: Page,
    values: Arguments,
    result: CallToolResult | Promise<CallToolResult>,
    wishes: Wishes = {},
  ): Promise<number> {
    const frame = document.createElement("iframe");
    frame.id = `card-${this.cards.length}`;
    if (wishes.width) frame.style.width = `${wishes.width}px`;
    const card: Card = { asked: nothing(), frame, result: Promise.resolve(result) };
    const number = this.cards.push(card) - 1;
    if (wishes.permits === false) page = { ...page, permissions: undefined };
    document.documentElement.dataset.theme = wishes.context?.theme ?? "light";
    if (wishes.dialect === "chatgpt") await this.showAsChatGpt(card, page, values, wishes);
    else await this.showAsStandard(card, page, values, wishes);
    return number;
  }

  /** Give a page an answer: that of its call, or another. */
  async deliver(number: number, result?: CallToolResult): Promise<void> {
    const { bridge, frame, result: own } = this.cards[number]!;
    const answer = result ?? (await own);
    if (bridge) await bridge.sendToolResult(answer);
    else tell(frame, { globals: outcome(answer) });
  }

  /** Tell a page that something around it has changed. */
  async change(number: number, context: McpUiHostContext): Promise<void> {
    const { bridge, frame } = this.cards[number]!;
    if (context.theme) document.documentElement.dataset.theme = context.theme;
    if (bridge) await bridge.sendHostContextChange(context);
    else tell(frame, { globals: context });
  }

  /** Take a page away as hosts do: tell it, and wait until it is ready. */
  async tearDown(number: number): Promise<void> {
    await this.cards[number]!.bridge?.teardownResource({ reason: "the test is over" });
  }

  private async read(uri: string): Promise<Page> {
    const [content] = (await this.client.readResource({ uri })).contents;
    if (content?.mimeType !== RESOURCE_MIME_TYPE) throw new Error(`${uri} is no page`);
    const html = "text" in content ? content.text : atob(content.blob);
    const { csp, permissions } = (content._meta?.ui ?? {}) as Omit<Page, "html">;
    return { html, csp, permissions };
  }

  private async showAsStandard(
    { asked, frame, result }: Card,
    page: Page,
    values: Arguments,
    wishes: Wishes,
  ): Promise<void> {
    const capabilities: McpUiHostCapabilities = { ...CAPABILITIES };
    for (const name of wishes.without ?? []) delete capabilities[name];
    const context = { ...CONTEXT, ...wishes.context };
    // The bridge gets no client: what pages ask is written down before it is passed on.
    const bridge = new AppBridge(null, HOST, capabilities, { hostContext: context });
    this.cards.find((card) => card.frame === frame)!.bridge = bridge;
    this.listen(bridge, asked, frame, capabilities);
    const initialized = new Promise<void>((resolve) => {
      bridge.oninitialized = () => resolve();
    });
    const ready = new Promise<void>((resolve) => {
      bridge.onsandboxready = () => resolve();
    });
    const settled = load(frame, page, wishes);
    // The frame has a window, which is the same all along, once it is in the document.
    await bridge.connect(new PostMessageTransport(frame.contentWindow!, frame.contentWindow!));
    await Promise.all([ready, settled]);
    const { html, permissions } = page;
    const sandbox = wishes.sandbox ?? "allow-scripts";
    await bridge.sendSandboxResourceReady({ html, permissions, sandbox });
    await initialized;
    await bridge.sendToolInput({ arguments: values });
    if (!wishes.holds) await bridge.sendToolResult(await result);
  }

  private listen(
    bridge: AppBridge,
    asked: Asked,
    frame: HTMLIFrameElement,
    can: McpUiHostCapabilities,
  ): void {
    bridge.onsizechange = (size) => resize(frame, asked, size);
    bridge.onloggingmessage = (message) => void asked.logs.push(message);
    bridge.onrequestdisplaymode = async ({ mode }) => {
      asked.displayModes.push(mode);
      return { mode: "inline" };
    };
    if (can.serverTools) {
      bridge.oncalltool = ({ name, arguments: values }, { mcpReq }) =>
        this.callFor(asked, name, values ?? {}, mcpReq.signal);
    }
    if (can.openLinks) bridge.onopenlink = async ({ url }) => note(asked.links, url);
    if (can.message) bridge.onmessage = async (message) => note(asked.messages, message);
    if (can.downloadFile) {
      bridge.ondownloadfile = async ({ contents }) => note(asked.downloads, ...contents);
    }
    if (can.updateModelContext) {
      bridge.onupdatemodelcontext = async (context) => note(asked.contexts, context);
    }
  }

  /** Call a tool for a page, if pages may call it. */
  private async callFor(
    asked: Asked,
    name: string,
    values: Arguments,
    signal?: AbortSignal,
  ): Promise<CallToolResult> {
    const tool = this.tools.find((one) => one.name === name);
    if (!tool || !isFor("app", tool)) throw new Error(`${name} is not for pages`);
    const fresh = { isError: false, isCancelled: false, answer: null };
    const call: ToolCall = { name, arguments: values, ...fresh };
    asked.toolCalls.push(call);
    signal?.addEventListener("abort", () => (call.isCancelled = true));
    const result = await this.call(name, values, signal);
    call.isError = result.isError ?? false;
    call.answer = result.structuredContent;
    return result;
  }

  private async showAsChatGpt(
    { asked, frame, result }: Card,
    page: Page,
    values: Arguments,
    wishes: Wishes,
  ): Promise<void> {
    const globals = {
      toolInput: values,
      ...(wishes.holds ? { toolOutput: null } : outcome(await result)),
      theme: "light",
      locale: "en-US",
      displayMode: "inline",
      maxHeight: 2000,
      safeArea: { insets: { top: 0, right: 0, bottom: 0, left: 0 } },
      widgetState: null,
      ...wishes.context,
    };
    addEventListener("message", ({ source, data }) => {
      if (source === frame.contentWindow && data?.openai) {
        void this.answerChatGpt(asked, frame, data.openai);
      }
    });
    const ready = new Promise<void>((resolve) =>
      addEventListener("message", ({ source, data }) => {
        const isReady = data?.method === "ui/notifications/sandbox-proxy-ready";
        if (source === frame.contentWindow && isReady) resolve();
      }),
    );
    await load(frame, page, wishes);
    await ready;
    const html = withOpenAi(page.html, await shim(), globals);
    const params = { ...page, html, sandbox: wishes.sandbox ?? SAME_ORIGIN };
    const method = "ui/notifications/sandbox-resource-ready";
    frame.contentWindow!.postMessage({ jsonrpc: "2.0", method, params }, PROXY.origin);
  }

  private async answerChatGpt(
    asked: Asked,
    frame: HTMLIFrameElement,
    { id, call, values }: { id: number; call: string; values: any[] },
  ): Promise<void> {
    const [first, second] = values;
    const calls: Record<string, () => unknown> = {
      callTool: () => this.callFor(asked, first, second ?? {}),
      sendFollowUpMessage: () => note(asked.messages, first),
      openExternal: () => note(asked.links, first.href),
      requestDisplayMode: () => (asked.displayModes.push(first.mode), { mode: "inline" }),
      notifyIntrinsicHeight: () => resize(frame, asked, { height: first }),
      setWidgetState: () => undefined,
    };
    try {
      tell(frame, { id, result: await calls[call]!() });
    } catch (error) {
      tell(frame, { id, error: String(error) });
    }
  }
}

function isFor(audience: "model" | "app", tool: Tool): boolean {
  const ui = tool._meta?.ui as { visibility?: string[] } | undefined;
  return (ui?.visibility ?? ["model", "app"]).includes(audience);
}

function nothing(): Asked {
  return {
    toolCalls: [],
    messages: [],
    links: [],
    downloads: [],
    contexts: [],
    sizes: [],
    displayModes: [],
    logs: [],
  };
}

function note<Item>(list: Item[], ...items: Item[]): Record<string, never> {
  list.push(...items);
  return {};
}

function resize(frame: HTMLIFrameElement, asked: Asked, size: { height?: number }): void {
  asked.sizes.push(size);
  if (size.height) frame.style.height = `${size.height}px`;
}

/** Load the proxy; the server makes its policy of what the page says it needs. */
function load(frame: HTMLIFrameElement, page: Page, wishes: Wishes): Promise<void> {
  const url = new URL(PROXY);
  const granted = (wishes.grants ?? true) ? page.csp : undefined;
  url.searchParams.set("csp", JSON.stringify(granted ?? {}));
  frame.setAttribute("sandbox", SAME_ORIGIN);
  if (page.permissions?.clipboardWrite) frame.allow = "clipboard-write";
  const loaded = new Promise<void>((resolve) => {
    frame.onload = () => resolve();
  });
  frame.src = url.href;
  document.body.append(frame);
  return loaded;
}

function tell(frame: HTMLIFrameElement, openai: object): void {
  frame.contentWindow!.postMessage({ openai }, PROXY.origin);
}

function outcome(result: CallToolResult): object {
  return {
    toolOutput: result.structuredContent ?? null,
    toolResponseMetadata: result._meta ?? null,
  };
}

async function shim(): Promise<string> {
  return (await fetch("/chatgpt.js")).text();
}

/** Put `window.openai` before everything that the page runs. */
function withOpenAi(html: string, shim: string, globals: object): string {
  const json = JSON.stringify(globals).replaceAll("<", "\\u003c");
  const script = `<script>${shim.replace("GLOBALS", () => json)}</script>`;
  return html.replace(/<head[^>]*>/i, (head) => head + script);
}

/** By hand: the address says which tool to call, of which server, and how. */
async function followAddress(host: Host): Promise<void> {
  const asked = new URLSearchParams(location.search);
  const tool = asked.get("tool");
  if (!tool) return;
  const json = (name: string) => JSON.parse(asked.get(name) ?? "{}");
  await host.connect(asked.get("server")!, json("keys"));
  await host.open(tool, json("arguments"), json("wishes"));
}

const host = new Host();
Object.assign(window, { host });
void followAddress(host);

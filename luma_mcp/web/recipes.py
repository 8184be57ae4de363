"""How each client is connected to this server: what to do, and what to paste where."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_CODE = re.compile(r"^```(\w+)\n(.*?)\n^```$", re.DOTALL | re.MULTILINE)
_KINDS = {
    "text": "address",
    "shell": "command",
    "json": "settings",
    "toml": "settings",
    "yaml": "settings",
    "python": "code",
    "typescript": "code",
}


@dataclass(frozen=True)
class Code:
    """What is to be pasted."""

    language: str
    text: str

    @property
    def kind(self) -> str:
        """What people call it."""
        return _KINDS[self.language]


@dataclass(frozen=True)
class Recipe:
    """The way to connect one client.

    Attributes:
        slug: Its name in links.
        name: What people call the client.
        hint: What kind of way it is, in two or three words.
        text: What to do, as one writes it into a README; <endpoint> stands for the address.
    """

    slug: str
    name: str
    hint: str
    text: str

    def leading_to(self, address: str) -> "Recipe":
        """Fill the address in."""
        return replace(self, text=self.text.replace("<endpoint>", address))

    def without_sign_in(self) -> "Recipe":
        """Say instead why it cannot be followed here."""
        reason = (
            f"{self.name} signs in with OAuth, which is switched off here: the operator of this "
            "server must set `LUMA_MCP_PUBLIC_URL` and `LUMA_MCP_SECRET_KEY`."
        )
        return replace(self, text=reason)

    def parts(self) -> Iterator[str | Code]:
        """Give its paragraphs, in which `this` is code, and what is to be pasted, in order."""
        rest = iter(_CODE.split(self.text))
        for paragraphs in rest:
            yield from filter(None, (one.strip() for one in paragraphs.split("\n\n")))
            if language := next(rest, None):
                yield Code(language, next(rest))


def recipes(endpoint: str, oauth_endpoint: str | None) -> dict[str, list[Recipe]]:
    """Give all recipes by the kind of client.

    Args:
        endpoint: Where clients connect that send a key.
        oauth_endpoint: Where clients connect whose users sign in; None if nobody can.
    """
    signing_in = [
        recipe.leading_to(oauth_endpoint) if oauth_endpoint else recipe.without_sign_in()
        for recipe in _SIGNING_IN
    ]
    with_key = {
        kind: [recipe.leading_to(endpoint) for recipe in members]
        for kind, members in _WITH_KEY.items()
    }
    return {"Chat": signing_in, **with_key}


# Source: support.claude.com, "Get started with custom connectors using remote MCP".
_CLAUDE = """
In Claude, open Customize → Connectors, choose + and Add custom connector. In Team and Enterprise
an owner adds it for everybody.

Name it Luma, paste this address and choose Add:

```text
<endpoint>
```

Choose Connect: a page of this server asks for your Luma key and leads you back. Claude calls from
Anthropic's machines, so this server must be reachable from the internet.
"""

# Sources: developers.openai.com, "ChatGPT Developer mode"; help.openai.com, article 12584461.
_CHATGPT = """
In ChatGPT, open Settings → Apps → Advanced settings and switch Developer mode on. In a workspace
an admin allows it first.

Choose Create app, name it Luma, paste this address as the MCP server URL and choose OAuth:

```text
<endpoint>
```

A page of this server asks for your Luma key and leads you back; then add Luma to a chat with +.
ChatGPT calls from OpenAI's machines, so this server must be reachable from the internet.
"""

# Source: code.claude.com, "Connect Claude Code to tools via MCP".
_CLAUDE_CODE = """
Run this; with `--scope user` after `add` it holds for all your projects:

```shell
claude mcp add --transport http luma <endpoint> \\
  --header "Authorization: Bearer $LUMA_API_KEY"
```

Claude Code keeps the key in its settings. In a `.mcp.json` that is shared, write `Bearer
${LUMA_API_KEY}` instead, which is read from the environment at each start.
"""

# Source: cursor.com/docs/mcp.
_CURSOR = """
Put this into `~/.cursor/mcp.json`, or into `.cursor/mcp.json` of a project:

```json
{
  "mcpServers": {
    "luma": {
      "url": "<endpoint>",
      "headers": { "Authorization": "Bearer ${env:LUMA_API_KEY}" }
    }
  }
}
```

Cursor reads the key from the environment that it was started in.
"""

# Source: code.visualstudio.com, "MCP configuration reference".
_VS_CODE = """
Put this into `.vscode/mcp.json` of a project, or into the file that the command MCP: Open User
Configuration opens:

```json
{
  "inputs": [
    { "id": "luma", "type": "promptString", "description": "Luma API key", "password": true }
  ],
  "servers": {
    "luma": {
      "type": "http",
      "url": "<endpoint>",
      "headers": { "Authorization": "Bearer ${input:luma}" }
    }
  }
}
```

VS Code asks for the key at the first start and keeps it in its secret storage.
"""

# Source: developers.openai.com/codex/mcp.
_CODEX = """
Put this into `~/.codex/config.toml`, which Codex's command line, app and editor extension share:

```toml
[mcp_servers.luma]
url = "<endpoint>"
bearer_token_env_var = "LUMA_API_KEY"
```

Or let Codex write it:

```shell
codex mcp add luma --url <endpoint> \\
  --bearer-token-env-var LUMA_API_KEY
```
"""

# Source: geminicli.com/docs/tools/mcp-server.
_GEMINI = """
Put this into `~/.gemini/settings.json`, or into `.gemini/settings.json` of a project:

```json
{
  "mcpServers": {
    "luma": {
      "httpUrl": "<endpoint>",
      "headers": { "Authorization": "Bearer $LUMA_API_KEY" }
    }
  }
}
```

Gemini CLI reads the key from the environment that it was started in.
"""

# Source: librechat.ai, "MCP Servers Object Structure". The time-out allows for the 45 s that a tool
# stays by itself.
_LIBRECHAT = """
Put this into `librechat.yaml` and restart LibreChat. It asks each user for a key of their own:

```yaml
mcpServers:
  luma:
    type: streamable-http
    url: "<endpoint>"
    headers:
      Authorization: "Bearer {{LUMA_API_KEY}}"
    customUserVars:
      LUMA_API_KEY:
        title: "Luma API key"
        description: "For Dream Machine or for the Agents API"
    timeout: 60000
```
"""

# Source: docs.n8n.io, "MCP Client Tool".
_N8N = """
Add the node MCP Client Tool to an AI Agent, choose HTTP Streamable as its Server Transport and
paste this as its Endpoint:

```text
<endpoint>
```

Choose Bearer Auth as its Authentication, and make a credential whose Bearer Token is your Luma key.
"""

# Source: developers.openai.com, "MCP servers", a guide to the Responses API.
_RESPONSES = """
OpenAI's machines call this server with your key, so it must be reachable from the internet:

```python
import os

from openai import OpenAI

response = OpenAI().responses.create(
    model="gpt-6.2-astra",
    input="Make a picture of a paper boat on a quiet lake at dawn.",
    tools=[
        {
            "type": "mcp",
            "server_label": "luma",
            "server_url": "<endpoint>",
            "authorization": os.environ["LUMA_API_KEY"],
            "require_approval": "never",
        }
    ],
)
print(response.output_text)
```

Without `require_approval` OpenAI asks you to approve each call first.
"""

# Source: platform.claude.com, "MCP connector".
_MESSAGES = """
Anthropic's machines call this server with your key, so it must be reachable from the internet over
https:

```python
import os

from anthropic import Anthropic

message = Anthropic().beta.messages.create(
    model="claude-opus-5-5",
    max_tokens=2000,
    messages=[
        {"role": "user", "content": "Make a picture of a paper boat on a quiet lake at dawn."}
    ],
    mcp_servers=[
        {
            "type": "url",
            "name": "luma",
            "url": "<endpoint>",
            "authorization_token": os.environ["LUMA_API_KEY"],
        }
    ],
    tools=[{"type": "mcp_toolset", "mcp_server_name": "luma"}],
    betas=["mcp-client-2025-11-20"],
)
print(message.content[-1].text)
```
"""

# Source: gofastmcp.com, "Bearer Token Authentication".
_PYTHON = """
With the package `fastmcp`:

```python
import asyncio
import os

from fastmcp import Client


async def main():
    async with Client("<endpoint>", auth=os.environ["LUMA_API_KEY"]) as luma:
        prompt = "A paper boat on a quiet lake at dawn"
        picture = await luma.call_tool("generate_image", {"prompt": prompt})
        print(picture.content[0].text)


asyncio.run(main())
```
"""

# Source: ts.sdk.modelcontextprotocol.io/v2, "Connect".
_TYPESCRIPT = """
With the package `@modelcontextprotocol/client`:

```typescript
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const headers = { Authorization: `Bearer ${process.env.LUMA_API_KEY}` };
const luma = new Client({ name: "my-app", version: "1.0.0" });
await luma.connect(
  new StreamableHTTPClientTransport(new URL("<endpoint>"), { requestInit: { headers } }),
);
const prompt = "A paper boat on a quiet lake at dawn";
const { content } = await luma.callTool({ name: "generate_image", arguments: { prompt } });
console.log(content);
await luma.close();
```
"""

_SIGNING_IN = (
    Recipe("claude", "Claude", "web, desktop, mobile", _CLAUDE),
    Recipe("chatgpt", "ChatGPT", "developer mode", _CHATGPT),
)
_WITH_KEY = {
    "Editors and agents": (
        Recipe("claude-code", "Claude Code", "one command", _CLAUDE_CODE),
        Recipe("cursor", "Cursor", "mcp.json", _CURSOR),
        Recipe("vs-code", "VS Code", "mcp.json", _VS_CODE),
        Recipe("codex", "Codex", "config.toml", _CODEX),
        Recipe("gemini-cli", "Gemini CLI", "settings.json", _GEMINI),
    ),
    "Platforms": (
        Recipe("librechat", "LibreChat", "librechat.yaml", _LIBRECHAT),
        Recipe("n8n", "n8n", "MCP Client Tool", _N8N),
    ),
    "Your own code": (
        Recipe("openai-api", "OpenAI Responses API", "Python", _RESPONSES),
        Recipe("anthropic-api", "Anthropic Messages API", "Python", _MESSAGES),
        Recipe("python", "Python", "FastMCP", _PYTHON),
        Recipe("typescript", "TypeScript", "official SDK", _TYPESCRIPT),
    ),
}

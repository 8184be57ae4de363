// Signing in with the MCP SDK for TypeScript 1.x.
import { require } from "./journey.mjs";
import { signIn } from "./sign_in.mjs";

const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { UnauthorizedError } = require("@modelcontextprotocol/sdk/client/auth.js");
const { StreamableHTTPClientTransport } = require(
  "@modelcontextprotocol/sdk/client/streamableHttp.js",
);

await signIn({
  Transport: StreamableHTTPClientTransport,
  UnauthorizedError,
  newClient: () => new Client({ name: "typescript-sdk-1", version: "1" }),
  finish: (transport, parameters) => transport.finishAuth(parameters.get("code")),
  call: (client, params) => client.callTool(params),
});

// Signing in with the MCP SDK for TypeScript 2.x, which is told the protocol to speak.
import { require } from "./journey.mjs";
import { signIn } from "./sign_in.mjs";

const { Client, StreamableHTTPClientTransport, UnauthorizedError } = require(
  "@modelcontextprotocol/client",
);
const era = process.argv[3];
const mode = era === "legacy" ? era : { pin: era };

await signIn({
  Transport: StreamableHTTPClientTransport,
  UnauthorizedError,
  newClient: () =>
    new Client(
      { name: "typescript-sdk-2", version: "1" },
      { versionNegotiation: { mode } },
    ),
  finish: (transport, parameters) => transport.finishAuth(parameters),
  call: (client, params) => client.callTool(params),
});

// How a client in Node signs in by its SDK's own code: the twin of sign_in.py.
import { createInterface } from "node:readline";

const ENDPOINT = new URL(process.argv[2]);
const CALL = { name: "get_credits", arguments: {} };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** An OAuthClientProvider that keeps everything in memory. */
class Provider {
  redirectUrl = "http://127.0.0.1:7777/callback";
  clientMetadata = { client_name: "A program in Node", redirect_uris: [this.redirectUrl] };
  #kept = {};

  state = () => "state-of-node";
  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => void (this.#kept.tokens = tokens);
  codeVerifier = () => this.#kept.verifier;
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  redirectToAuthorization = (url) => console.log(url.href);
  loseAccess = () => void (this.#kept.tokens.access_token = "lmcp_access_lost");
}

/** Sign in, call a tool, call it once more with a lost access token; print what was seen. */
export async function signIn({ Transport, UnauthorizedError, newClient, finish, call }) {
  const provider = new Provider();
  const transport = () => new Transport(ENDPOINT, { authProvider: provider });
  const refused = transport();
  const refusal = await newClient().connect(refused).catch((error) => error);
  if (!(refusal instanceof UnauthorizedError)) throw refusal ?? new Error("It was let in.");
  const { value } = await lines.next(); // where the user's browser came back to
  const { searchParams } = new URL(value);
  await finish(refused, searchParams);
  const client = newClient();
  await client.connect(transport());
  const { tools } = await client.listTools();
  const answers = [(await call(client, CALL)).structuredContent];
  const { refresh_token } = provider.tokens();
  provider.loseAccess();
  answers.push((await call(client, CALL)).structuredContent);
  await client.close();
  const report = {
    client_id: provider.clientInformation().client_id,
    state: searchParams.get("state"),
    tools: tools.map((tool) => tool.name),
    answers,
    refresh_tokens: [refresh_token, provider.tokens().refresh_token],
  };
  console.log(JSON.stringify(report));
  process.exit();
}

/** The Fetch API's Request and Response around the plain handler: for Hono, Next, Bun, Deno and tests. */
import type { PlainRequest, PlainResponse } from "../ports.ts";

type Handle = (request: PlainRequest) => Promise<PlainResponse>;

/** `remoteAddress`: whom to rate limit; the Fetch API itself does not know it. */
export async function handleFetch(handle: Handle, request: Request, maxBodyBytes: number, remoteAddress: string | null): Promise<Response> {
  const url = new URL(request.url);
  const { status, headers, body } = await handle({
    method: request.method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: Object.fromEntries(request.headers),
    body: await bounded(request.body, maxBodyBytes),
    remoteAddress,
    signal: request.signal,
  });
  // The constructor refuses a body, even an empty one, with these.
  return new Response(status === 204 || status === 304 ? null : body, { status, headers: { ...headers } });
}

/** The body, or its first `maxBytes + 1` bytes: enough for the handler to see that it is too large. */
async function bounded(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (body !== null) {
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.byteLength;
      if (size > maxBytes) {
        await reader.cancel();
        break;
      }
    }
  }
  return Buffer.concat(chunks, Math.min(size, maxBytes + 1));
}

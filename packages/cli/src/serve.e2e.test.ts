import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { guardian, startGuardian, temporaryFolder } from "./guardian.test.support.ts";

let folder: ReturnType<typeof temporaryFolder>;
let data: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  data = join(folder.path, "data");
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  folder[Symbol.dispose]();
});

interface Serving {
  readonly url: string;
  readonly child: ChildProcess;
  readonly stderr: () => string;
}
async function serve(...args: readonly string[]): Promise<Serving> {
  const child = startGuardian(["serve", "--port", "0", "--data", data, ...args]);
  children.push(child);
  let err = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (err += text));
  const [line] = (await once(child.stdout!.setEncoding("utf8"), "data")) as [string];
  return { url: /http:\/\/\S+?(?=["\s])/.exec(line)?.[0] ?? `no address in ${line}`, child, stderr: () => err };
}
async function stop({ child }: Serving, signal: "SIGINT" | "SIGTERM"): Promise<unknown> {
  child.kill(signal);
  return once(child, "exit");
}
const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });

describe("C2 guardian serve", () => {
  test("--dev hands out tokens, keeps what is written, and drains on a signal", async () => {
    const first = await serve("--dev");
    expect(first.stderr()).toContain("DEVELOPMENT MODE");
    const { token } = (await (await post(`${first.url}/api/v1/auth/dev-token`, { principal: "ada", tenant: "home" })).json()) as {
      readonly token: string;
    };
    const auth = { authorization: `Bearer ${token}` };
    const meta = { trace_id: crypto.randomUUID(), timestamp: new Date().toISOString() };
    const body = { meta, payload: { id: "r1", name: "Kitchen", type: "kitchen" } };
    expect((await post(`${first.url}/api/v1/rooms`, body, { ...auth, "idempotency-key": crypto.randomUUID() })).status).toBe(201);
    const poll = fetch(`${first.url}/api/v1/sync/changes?wait=20&cursor=`, { headers: auth }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await stop(first, "SIGTERM")).toEqual([0, null]);
    await poll;

    const second = await serve("--dev", "--json");
    const read = await fetch(`${second.url}/api/v1/rooms/r1`, { headers: auth });
    expect(((await read.json()) as { readonly data: unknown }).data).toMatchObject({ name: "Kitchen" });
    expect((await fetch(`${second.url}/health`)).status).toBe(200);
    expect(await stop(second, "SIGINT")).toEqual([0, null]);
  });

  test("accepts tokens of an issuer, and nobody else's", async () => {
    const secret = join(folder.path, "secret");
    writeFileSync(secret, "s".repeat(40));
    const server = await serve("--jwt-issuer", "https://id.example", "--jwt-audience", "home", "--jwt-key-file", secret);
    expect(server.stderr()).toBe("");
    expect((await post(`${server.url}/api/v1/auth/dev-token`, { principal: "ada", tenant: "home" })).status).toBe(404);
    expect((await fetch(`${server.url}/api/v1/rooms`)).status).toBe(401);
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "https://id.example", aud: "home", sub: "ada", tenant: "home", exp: Math.floor(Date.now() / 1000) + 60 };
    const head = `${part({ alg: "HS256" })}.${part(claims)}`;
    const { createHmac } = await import("node:crypto");
    const token = `${head}.${createHmac("sha256", "s".repeat(40)).update(head).digest("base64url")}`;
    expect((await fetch(`${server.url}/api/v1/rooms`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    expect(await stop(server, "SIGTERM")).toEqual([0, null]);
  });

  test("says what is wrong, and leaves nothing running", async () => {
    const { url } = await serve("--dev");
    const { port } = new URL(url);
    const taken = await guardian(["serve", "--dev", "--port", port, "--data", data]);
    expect(taken).toMatchObject({ code: 1, stdout: "" });
    expect(taken.stderr).toMatch(new RegExp(`^guardian: Port ${port} of 127.0.0.1 is in use; .*\n$`));
    const open = await guardian(["serve", "--data", data]);
    expect(open).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("Missing: --jwt-issuer") });
    expect(await guardian(["serve", "--dev", "--port", "99999"])).toMatchObject({ code: 2, stderr: expect.stringContaining("0 to 65535") });
    expect(await guardian(["serve", "--dev", "--host", "0.0.0.0"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("this machine only"),
    });
    writeFileSync(join(folder.path, "file"), "");
    const noFolder = await guardian(["serve", "--dev", "--port", "0", "--data", join(folder.path, "file")]);
    expect(noFolder).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be made (EEXIST)") });
  });
});

/** How the engine behaves towards what servers, gateways and networks answer: over real HTTP, each behaviour by its own rules. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { defineOperation } from "guardian-sync";
import { answerError, type Fate, PASS, type ProxiedAnswer, type SeenRequest } from "./gate-proxy.ts";
import { HttpBench, type HttpBenchOptions } from "./http-bench.ts";
import type { Report } from "./report.ts";
import { RestBackend } from "./rest-backend.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export interface Behaviour {
  readonly name: string;
  readonly run: () => Promise<Report>;
}

function behaviour(name: string, play: (bench: HttpBench) => Promise<Report["figures"]>, options: HttpBenchOptions = {}): Behaviour {
  return {
    name,
    run: async () => {
      await using bench = await HttpBench.open(options);
      const figures = await play(bench);
      return { scenario: name, figures, faults: bench.faults };
    },
  };
}

function isOps({ path }: SeenRequest): boolean {
  return path.endsWith("/sync/ops");
}
/** Once for the next request with operations, then never again. */
function next(fate: (request: SeenRequest) => Fate): (request: SeenRequest) => Fate {
  let isSpent = false;
  return (request) => {
    if (isSpent || request.operations.length === 0) return PASS;
    isSpent = true;
    return fate(request);
  };
}
const HTML: Fate = {
  do: "answer",
  status: 200,
  headers: { "content-type": "text/html; charset=utf-8" },
  body: "<!doctype html><title>Welcome to the café's Wi-Fi</title><p>Please sign in.",
};

export const syncBehaviours: readonly Behaviour[] = [
  behaviour("R4 401: one refresh serves everybody, then the same bytes go out at once", async (bench) => {
    await bench.create("warm-up");
    await bench.drain();
    bench.oldestToken = 2;
    bench.newestToken = 2;
    bench.refreshTakesMs = 100;
    const from = bench.clock.now();
    await bench.create("d1");
    while (bench.refreshes === 0) await bench.clock.advance(0);
    // The app asks, too, while the engine's own refresh is under way.
    await Promise.all([bench.sync.auth.refresh(), bench.sync.auth.refresh(), bench.drain()]);
    bench.check("one refresh", bench.refreshes === 1);
    bench.check("no wait before the retry", bench.clock.now() - from < SECOND);
    await bench.checkDelivered();
    return { refreshes: bench.refreshes, waited_ms: bench.clock.now() - from };
  }),

  behaviour("R4 401 in the middle: refreshed once, retried at once, the operation is not charged", async (bench) => {
    await bench.create("warm-up");
    await bench.drain();
    bench.oldestToken = 2;
    bench.newestToken = 2;
    const from = bench.clock.now();
    const operation = await bench.create("d1");
    await bench.drain();
    bench.check("one refresh", bench.refreshes === 1);
    bench.check("no wait before the retry", bench.clock.now() - from < SECOND);
    bench.check("no attempt was charged", (await operation.status()).attempts === 0);
    await bench.checkDelivered();
    return { refreshes: bench.refreshes, waited_ms: bench.clock.now() - from };
  }),

  behaviour("R4 401 twice: paused as auth_required with everything kept, and a new sign-in lifts it", async (bench) => {
    bench.oldestToken = 2;
    for (let i = 0; i < 3; i++) await bench.create(`d${i}`);
    const paused = await bench.drain();
    bench.check("paused as auth_required", paused.state === "paused" && paused.reason === "auth_required");
    bench.check("nothing failed", paused.failed === 0 && paused.pending + paused.sealed === 3);
    const requests = bench.gate.requests.length;
    await bench.pass(HOUR);
    bench.check("no request while paused", bench.gate.requests.length === requests);
    bench.newestToken = 2;
    await bench.sync.auth.refresh();
    await bench.checkDelivered();
    return { requests_until_paused: requests, refreshes: bench.refreshes };
  }),

  behaviour("R3 426: paused as client_too_old, silent until it is resumed", async (bench) => {
    bench.gate.decide = (request) => answerError(request, 426, "CLIENT_TOO_OLD");
    await bench.create("d1");
    const paused = await bench.drain();
    bench.check("paused as client_too_old", paused.state === "paused" && paused.reason === "client_too_old");
    const requests = bench.gate.requests.length;
    await bench.create("d2");
    await bench.pass(24 * HOUR);
    bench.check("no request while paused", bench.gate.requests.length === requests);
    bench.gate.decide = () => PASS;
    await bench.sync.resume();
    await bench.checkDelivered();
    return { requests_until_paused: requests };
  }),

  ...(
    [
      ["seconds", () => "7"],
      ["a date", (now: number) => new Date(Math.ceil(now / 1000) * 1000 + 7000).toUTCString()],
    ] as const
  ).map(([form, header]) =>
    behaviour(`R2 429 with Retry-After as ${form}: nothing goes out before, not even for new work or after a restart`, async (bench) => {
      await bench.create("warm-up");
      await bench.drain();
      bench.gate.decide = next((request) =>
        answerError(request, 429, "RATE_LIMITED", {
          "retry-after": header(bench.clock.now()),
          date: new Date(Math.floor(bench.clock.now() / 1000) * 1000).toUTCString(),
        }),
      );
      const operation = await bench.create("d1");
      await bench.settledStatus();
      const refusedAt = bench.writes.at(-1)?.at ?? 0;
      await bench.pass(2 * SECOND);
      await bench.create("d2");
      await bench.restart();
      await bench.pass(2 * SECOND);
      const before = bench.gate.requests.length;
      await bench.drain();
      const sentAt = bench.gate.requests[before]?.at ?? 0;
      bench.check("at least 7 s later", sentAt - refusedAt >= 7 * SECOND);
      bench.check("at most 5 s more than asked for", sentAt - refusedAt <= 13 * SECOND);
      bench.check(
        "nothing went out in between",
        bench.gate.requests.slice(0, before).every(({ at }) => at <= refusedAt),
      );
      const { attempts } = (await (await bench.sync.operation(operation.id))?.status()) ?? { attempts: -1 };
      bench.check("no attempt was charged", attempts === 0);
      await bench.checkDelivered();
      return { waited_ms: sentAt - refusedAt };
    }),
  ),

  behaviour("R1 503 for half an hour: the requests become rare, nothing fails meanwhile, everything arrives", async (bench) => {
    await bench.create("warm-up");
    await bench.drain();
    const first = bench.gate.requests.length;
    bench.gate.decide = (request) => answerError(request, 503, "SERVICE_UNAVAILABLE");
    for (let i = 0; i < 20; i++) await bench.create(`d${i}`);
    await bench.pass(30 * MINUTE);
    const requests = bench.gate.requests.length - first;
    const storm = await bench.settledStatus();
    bench.check("at most five requests a minute", requests <= 150);
    bench.check("nothing failed, nothing was lost", storm.failed === 0 && storm.pending + storm.sealed === 20);
    bench.gate.decide = () => PASS;
    await bench.checkDelivered();
    return { minutes: 30, requests };
  }),

  behaviour(
    "R5 503 storm against an impatient client: ten requests open the breaker, then one probe a minute",
    async (bench) => {
      await bench.create("warm-up");
      await bench.drain();
      const first = bench.gate.requests.length;
      bench.gate.decide = (request) => answerError(request, 503, "SERVICE_UNAVAILABLE");
      const states: string[] = [];
      bench.sync.on("breaker", ({ state }) => states.push(state));
      for (let i = 0; i < 20; i++) await bench.create(`d${i}`);
      await bench.pass(10 * MINUTE);
      const requests = bench.gate.requests.slice(first);
      const later = requests.filter(({ at }) => at - (requests[0]?.at ?? 0) >= MINUTE).length;
      bench.check("the breaker opened, probed, and opened again", states.slice(0, 3).join() === "open,half_open,open");
      bench.check("ten writes in the first minute", bench.writes.filter(({ at }) => at - (requests[0]?.at ?? 0) < MINUTE).length <= 11);
      bench.check("then at most one request a minute", later <= 9);
      bench.gate.decide = () => PASS;
      await bench.drain();
      bench.check("it closed", (await bench.sync.status()).breaker.state === "closed");
      await bench.checkDelivered();
      return { minutes: 10, requests: requests.length, after_the_first_minute: later };
    },
    { engine: { backoff: { baseMs: 50, maxDelayMs: 500 } } },
  ),

  behaviour("R3 captive portal: two hours of HTML burn no attempt, fail nothing, and end by themselves", async (bench) => {
    await bench.create("warm-up");
    await bench.drain();
    bench.gate.decide = () => HTML;
    const operation = await bench.create("d1");
    await bench.pass(2 * HOUR);
    const { attempts, state } = await operation.status();
    bench.check("no attempt was charged", attempts === 0);
    bench.check("it still waits", state === "sealed" || state === "pending");
    const requests = bench.gate.requests.length;
    bench.gate.decide = () => PASS;
    await bench.checkDelivered();
    return { hours: 2, requests };
  }),

  behaviour("R3 captive portal from the very first request on", async (bench) => {
    bench.gate.decide = () => HTML;
    await bench.create("d1");
    await bench.pass(HOUR);
    const { level, failed } = await bench.sync.status();
    bench.check("a portal is not taken for a backend without our handshake", level === null && failed === 0);
    bench.gate.decide = () => PASS;
    await bench.checkDelivered();
    return { requests: bench.gate.requests.length };
  }),

  behaviour(
    "Q6 five rejections in a row pause the queue as mass_rejection, the rest is untouched",
    async (bench) => {
      for (let i = 0; i < 12; i++) await bench.create(`d${i}`, "a name that no server of this house accepts, because it is too long");
      const paused = await bench.drain();
      bench.check("paused as mass_rejection", paused.state === "paused" && paused.reason === "mass_rejection");
      bench.check("five failed, seven wait", paused.failed === 5 && paused.pending + paused.sealed === 7);
      const requests = bench.gate.requests.length;
      await bench.pass(HOUR);
      bench.check("no request while paused", bench.gate.requests.length === requests);
      const kept = await bench.sync.failed.list();
      bench.check(
        "each failed one says why",
        kept.every(({ code, lastError }) => code === "VALIDATION_ERROR" && (lastError ?? "").includes("422")),
      );
      return { failed: paused.failed, waiting: paused.pending + paused.sealed, message: kept[0]?.lastError ?? "" };
    },
    { engine: { batch: { maxOperations: 1 } } },
  ),

  behaviour("X7 413: the batch is halved until it fits, and nothing fails", async (bench) => {
    bench.gate.decide = (request) => (request.operations.length > 10 ? answerError(request, 413, "PAYLOAD_TOO_LARGE") : PASS);
    await bench.sync.stop();
    for (let i = 0; i < 50; i++) await bench.create(`d${i}`);
    const from = bench.clock.now();
    bench.sync.start();
    await bench.drain();
    const sizes = bench.writes.map(({ operations }) => operations.length);
    await bench.checkDelivered();
    return { batches: sizes.join(" "), waited_ms: bench.clock.now() - from };
  }),

  behaviour("X7 413 for one operation alone: it fails with its reason, the others go on", async (bench) => {
    bench.gate.decide = (request) => (request.body.includes('"entity_id":"huge"') ? answerError(request, 413, "PAYLOAD_TOO_LARGE") : PASS);
    for (const id of ["d1", "huge", "d2"]) await bench.create(id);
    const status = await bench.drain();
    bench.check("one failed, two applied", status.failed === 1 && status.succeeded === 2 && status.pending + status.sealed === 0);
    const [kept] = await bench.sync.failed.list();
    bench.check("it is the large one, with its code", kept?.entityId === "huge" && kept.code === "PAYLOAD_TOO_LARGE");
    return { message: kept?.lastError ?? "" };
  }),

  behaviour("A4 a redirect to another origin is not followed: nobody there sees a request or a token", async (bench) => {
    const strangers: string[] = [];
    const stranger = createServer((request, response) => {
      strangers.push(String(request.headers.authorization));
      response.end();
    });
    stranger.listen(0, "127.0.0.1");
    await once(stranger, "listening");
    bench.cleanup.add(() => stranger.close());
    const location = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/api/v1/sync/ops`;
    let status = 307;
    bench.gate.decide = () => ({ do: "answer", status, headers: { location } });
    const operation = await bench.create("d1");
    for (status of [301, 302, 303, 307, 308]) await bench.pass(5 * MINUTE);
    bench.check("no request reached the other origin", strangers.length === 0);
    bench.check("no attempt was charged", (await operation.status()).attempts === 0);
    bench.gate.decide = () => PASS;
    await bench.checkDelivered();
    return { requests_at_the_stranger: strangers.length, requests: bench.gate.requests.length };
  }),

  behaviour("A4 307 and 308 within the origin are followed with the same method, body and key", async (bench) => {
    const statuses = [307, 308];
    bench.gate.decide = (request) => {
      const status = isOps(request) ? statuses.shift() : undefined;
      return status === undefined ? PASS : { do: "answer", status, headers: { location: "/api/v1/sync/ops" } };
    };
    await bench.create("d1");
    await bench.checkDelivered();
    bench.check("three requests, one effect", bench.writes.length === 3 && new Set(bench.writes.map(({ body }) => body)).size === 1);
    return { requests: bench.writes.length };
  }),
];

const LIES: readonly (readonly [what: string, by: (answer: ProxiedAnswer) => ProxiedAnswer])[] = [
  ["202", (answer) => ({ ...answer, status: 202 })],
  ["203", (answer) => ({ ...answer, status: 203 })],
  ["206", (answer) => ({ ...answer, status: 206 })],
  ["207", (answer) => ({ ...answer, status: 207 })],
  ["226", (answer) => ({ ...answer, status: 226 })],
  ["304", ({ headers }) => ({ status: 304, headers, body: "" })],
  ["200 as HTML", () => ({ status: 200, headers: { "content-type": "text/html" }, body: "<p>ok" })],
  ["200 with half of the body", (answer) => ({ ...answer, body: answer.body.toString().slice(0, -40) })],
  ["200 with {}", (answer) => ({ ...answer, body: "{}" })],
  ["200 with nothing", ({ headers }) => ({ status: 200, headers, body: "" })],
  ["204", ({ headers }) => ({ status: 204, headers, body: "" })],
  [
    "200 with results of other keys",
    (answer) => ({ ...answer, body: answer.body.toString().replace(/"key":"[0-9a-f]{8}/g, '"key":"00000000') }),
  ],
  [
    "200 for another trace",
    (answer) => ({ ...answer, body: answer.body.toString().replace(/"trace_id":"[0-9a-f]{8}/, '"trace_id":"00000000') }),
  ],
  ["408", ({ headers }) => ({ status: 408, headers, body: "" })],
  ["425", ({ headers }) => ({ status: 425, headers, body: "" })],
  ["500 as HTML", () => ({ status: 500, headers: { "content-type": "text/html" }, body: "<h1>Oops" })],
  ["502", ({ headers }) => ({ status: 502, headers, body: "" })],
  ["504", ({ headers }) => ({ status: 504, headers, body: "" })],
  ["599", ({ headers }) => ({ status: 599, headers, body: "" })],
];

/** The server has done its work, and the answer does not say so: each of these must lead to the same bytes again, and to one effect. */
export const lyingAnswers: readonly Behaviour[] = [
  [1, "an operation alone"],
  [50, "a batch"],
].map(([maxOperations, form]) =>
  behaviour(
    `X1 answers that hide what was done, to ${form}: one effect each, the same key and bytes`,
    async (bench) => {
      await bench.create("d1");
      await bench.drain();
      let n = 1;
      for (const [, by] of LIES) {
        bench.gate.decide = next(() => ({ do: "replace", by }));
        await bench.sync.stop();
        await bench.update("d1", ++n);
        await bench.record("m1");
        await bench.record("m1");
        bench.sync.start();
        const status = await bench.drain();
        bench.check("nothing failed", status.failed === 0 && status.state !== "paused");
      }
      await bench.checkDelivered();
      const sent = [...bench.gate.sentByKey().values()];
      bench.check("each lie led to a second request", sent.filter(({ times }) => times > 1).length >= LIES.length);
      return { lies: LIES.length, operations: sent.length, sent_more_than_once: sent.filter(({ times }) => times > 1).length };
    },
    { engine: { batch: { maxOperations: maxOperations as number } } },
  ),
);

const addReading = defineOperation<{ readonly monitor_id: string }>("monitor.add", {
  entity: ({ monitor_id }) => ({ entityType: "monitor", entityId: monitor_id }),
  request: () => ({ method: "POST", path: "/api/v1/monitors/{monitor_id}/readings", body: {} }),
});

function restBehaviour(
  level: 0 | 1 | 2,
  name: string,
  play: (bench: HttpBench, backend: RestBackend) => Promise<Report["figures"]>,
): Behaviour {
  return {
    name: `X3 level ${level}: ${name}`,
    run: async () => {
      const backend = await RestBackend.start(level);
      try {
        const options: HttpBenchOptions = { origin: backend.url, backend: { level }, engine: { operations: [addReading] } };
        await using bench = await HttpBench.open(options);
        const figures = await play(bench, backend);
        const { conserved } = await bench.sync.status();
        bench.check("conservation", conserved);
        return { scenario: `X3 level ${level}: ${name}`, figures, faults: bench.faults };
      } finally {
        await backend.close();
      }
    },
  };
}

/** Loses the answer to each write once, after the backend has done it. */
function loseEachAnswerOnce(bench: HttpBench): void {
  const lost = new Set<string>();
  bench.gate.decide = ({ method, path, body }) => {
    if (method === "GET" || path.includes("/sync/")) return PASS;
    const name = `${method} ${path} ${body}`;
    if (lost.has(name)) return PASS;
    lost.add(name);
    return { do: "cut_after" };
  };
}

const SENT_BELOW_2 = new Set(["authorization", "content-type", "if-match", "host", "connection", "content-length", "transfer-encoding"]);

export const restBehaviours: readonly Behaviour[] = [
  restBehaviour(0, "create, updates and delete arrive, with no header that a browser would have to ask for", async (bench, backend) => {
    await bench.create("d1");
    await bench.update("d1", 2);
    await bench.create("d2");
    await bench.remove("d2");
    const status = await bench.drain();
    bench.check("everything succeeded", status.succeeded === 4 && status.level === 0);
    bench.check("the document is there", backend.documents.get("d1")?.n === 2 && !backend.documents.has("d2"));
    const odd = backend.effects.flatMap(({ headers }) => Object.keys(headers)).filter((header) => !SENT_BELOW_2.has(header));
    bench.check(`no other headers (${[...new Set(odd)].join(", ")})`, odd.length === 0);
    return { writes: backend.effects.length };
  }),

  restBehaviour(0, "the answer to each write is lost once: one document, absolute updates", async (bench, backend) => {
    loseEachAnswerOnce(bench);
    await bench.create("d1");
    await bench.update("d1", 2);
    await bench.update("d1", 3);
    const status = await bench.drain();
    bench.check("everything succeeded", status.succeeded === 3 && status.failed + status.conflict === 0);
    bench.check("one document, as it was left", backend.documents.size === 1 && backend.documents.get("d1")?.n === 3);
    const creates = backend.effects.filter(({ method }) => method === "POST").length;
    bench.check("created once", creates === 1);
    return { creates, updates: backend.effects.length - creates };
  }),

  restBehaviour(1, "a lost answer, then 412: compared, not repeated, no conflict", async (bench, backend) => {
    await bench.create("d1");
    await bench.drain();
    loseEachAnswerOnce(bench);
    await bench.update("d1", 2, 1);
    const status = await bench.drain();
    bench.check("it succeeded", status.succeeded === 2 && status.conflict + status.failed === 0);
    bench.check("written once", backend.documents.get("d1")?.version === 2);
    return { writes: backend.effects.length };
  }),

  restBehaviour(1, "somebody else was faster: 412 is a conflict, and their write stands", async (bench, backend) => {
    await bench.create("d1");
    await bench.drain();
    backend.documents.set("d1", { version: 2, name: "theirs", n: 77 });
    await bench.update("d1", 2, 1);
    const status = await bench.drain();
    bench.check("a conflict, and nothing lost", status.conflict === 1 && status.failed === 0);
    bench.check("their write stands", backend.documents.get("d1")?.n === 77);
    return { conflicts: status.conflict };
  }),

  restBehaviour(2, "the answer to each write is lost once: the key makes each of them happen once", async (bench, backend) => {
    loseEachAnswerOnce(bench);
    await bench.create("d1");
    for (let n = 2; n <= 6; n++) {
      await bench.update("d1", n);
      await bench.stored(bench.sync.run(addReading, { monitor_id: "m1" }).stored);
    }
    const status = await bench.drain();
    bench.check("everything succeeded", status.succeeded === 11 && status.failed + status.conflict === 0);
    bench.check("each happened once", backend.effects.length === 11);
    bench.check("five updates, five readings", backend.documents.get("d1")?.version === 6 && backend.documents.get("m1")?.readings === 5);
    for (const [key, { bytes }] of bench.gate.sentByKey()) bench.check(`key ${key} has the same bytes each time`, bytes.size === 1);
    return { effects: backend.effects.length, requests: bench.gate.requests.length };
  }),
];

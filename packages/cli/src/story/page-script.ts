/** Reads the state every two seconds and writes it into the page: only as text, so that no document can become markup. */
export const PAGE_SCRIPT = `"use strict";
const EVERY_MS = 2000;
const OWN = ["id", "version", "created_at", "updated_at"];
const byId = (id) => document.getElementById(id);
const make = (name, text, className) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = String(text);
  if (className) element.className = className;
  return element;
};
const row = (...cells) => {
  const line = make("tr");
  line.append(...cells);
  return line;
};
const code = (text) => {
  const cell = make("td");
  cell.append(make("code", text));
  return cell;
};

function card(device) {
  const box = make("article", undefined, "card");
  const state = device.pid === null ? "ended" : device.is_online ? "online" : "offline";
  const lives = device.lives === 1 ? "first process" : "process number " + device.lives;
  const meter = make("meter");
  meter.max = Math.max(1, device.enqueued);
  meter.value = device.succeeded;
  meter.setAttribute("aria-label", "succeeded of enqueued");
  const list = make("dl");
  const line = (name, value, className) => list.append(make("dt", name), make("dd", value, className));
  line("enqueued", device.enqueued);
  line("succeeded", device.succeeded);
  line("waiting", device.waiting, device.waiting > 0 ? "warn" : "");
  line("failed", device.failed, device.failed > 0 ? "bad" : "");
  line("account", device.is_balanced ? "balanced" : "NOT BALANCED", device.is_balanced ? "good" : "bad");
  line("effects on the server", device.effects, device.effects === device.succeeded ? "good" : "warn");
  line("sent twice, recognised", device.replays);
  box.append(make("h3", "Device " + device.name), make("p", state + ", " + lives, "state"), meter, list);
  return box;
}

function content(data) {
  return JSON.stringify(Object.fromEntries(Object.entries(data).filter(([name]) => !OWN.includes(name))));
}

function show(state) {
  byId("devices").replaceChildren(...state.devices.map(card));
  byId("entity-count").textContent = "(" + state.entities.length + ")";
  byId("entities").replaceChildren(
    ...state.entities.map((entity) => row(make("td", entity.type), make("td", entity.id), make("td", entity.version, "number"), code(content(entity.data)))),
  );
  byId("change-count").textContent = "(" + state.head + " in all)";
  byId("changes").replaceChildren(
    ...state.changes.map((change) =>
      row(
        make("td", change.seq, "number"),
        make("td", change.kind),
        make("td", change.entity),
        make("td", change.version, "number"),
        make("td", change.device === "" ? "another client" : "device " + change.device),
        code(change.operationId),
      ),
    ),
  );
}

let shown = "";
async function look() {
  const live = byId("live");
  try {
    const text = await (await fetch("/story/state.json")).text();
    // Unchanged rows stay untouched: nothing moves under a reader or a screen reader.
    if (text !== shown) show(JSON.parse(text));
    shown = text;
    if (live.className !== "" || live.textContent === "Reading…") live.textContent = "Live: looks again every 2 seconds";
    live.className = "";
  } catch {
    live.textContent = "The server has stopped; this is what it said last.";
    live.className = "gone";
  }
  setTimeout(look, EVERY_MS);
}
look();
`;

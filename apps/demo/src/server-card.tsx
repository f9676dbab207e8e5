import { useSyncExternalStore } from "react";
import { Icon } from "./icon.tsx";
import type { DemoServerModel } from "./server-model.ts";
import { type DemoState, type Effect, NORMAL_LATENCY_MS, SLOW_LATENCY_MS } from "./state.ts";
import { Toggle } from "./toggle.tsx";
import { count, kindOf, stateInWords } from "./words.ts";

const LATEST = 10;

export function ServerCard({ model }: { readonly model: DemoServerModel }) {
  const view = useSyncExternalStore(model.subscribe, model.get);
  return (
    <section className="card server" aria-labelledby="server">
      <div className="card-head">
        <Icon name="server" />
        <h2 id="server">Server</h2>
        <span className={`badge ${view.phase === "there" && view.isFresh ? moodOf(view.state) : "gone"}`} role="status">
          {view.phase === "asking" ? "Asking …" : view.phase === "there" && view.isFresh ? stateOf(view.state) : "Does not answer"}
        </span>
      </div>
      {view.phase === "away" || (view.phase === "there" && !view.isFresh) ? (
        <p className="notice quiet-notice">
          The server does not answer. Is <code>npm start</code> still running? The devices go on without it: edits are kept and sent later.
        </p>
      ) : null}
      {view.phase === "asking" ? <p className="quiet">Asking what it holds …</p> : null}
      {view.phase === "there" ? <There model={model} state={view.state} isFresh={view.isFresh} /> : null}
    </section>
  );
}

function moodOf({ faults }: DemoState): string {
  return faults.failing || faults.losingAnswers || faults.latencyMs > NORMAL_LATENCY_MS ? "troubled" : "well";
}
function stateOf({ faults }: DemoState): string {
  if (faults.failing) return "Failing";
  if (faults.losingAnswers) return "Losing answers";
  return faults.latencyMs > NORMAL_LATENCY_MS ? "Slow" : "Well";
}

function There({ model, state, isFresh }: { readonly model: DemoServerModel; readonly state: DemoState; readonly isFresh: boolean }) {
  const { documents, effects, latest, replays, faults } = state;
  const rooms = documents.filter(({ type }) => type === "room");
  const devices = documents.filter(({ type }) => type === "device");
  // Of what is gone, what it was called when something last happened to it.
  const lastOf = (id: string): unknown => latest.findLast((one) => one.entityId === id && one.data !== null)?.data?.name;
  const nameOf = (id: string): string => String(devices.find((one) => one.id === id)?.data.name ?? lastOf(id) ?? id);
  return (
    <div className={isFresh ? "" : "stale"}>
      <fieldset className="faults" disabled={!isFresh}>
        <legend>Make it</legend>
        <Fault
          title="slow"
          text="every answer takes 2.5 s"
          isOn={faults.latencyMs > NORMAL_LATENCY_MS}
          onChange={(isOn) => model.setFaults({ latencyMs: isOn ? SLOW_LATENCY_MS : NORMAL_LATENCY_MS })}
        />
        <Fault title="fail" text="every request gets a 500" isOn={faults.failing} onChange={(failing) => model.setFaults({ failing })} />
        <Fault
          title="lose answers"
          text="edits are written, then the line is cut"
          isOn={faults.losingAnswers}
          onChange={(losingAnswers) => model.setFaults({ losingAnswers })}
        />
      </fieldset>
      <dl className="numbers">
        <div>
          <dt>effects</dt>
          <dd data-effects={effects}>{effects}</dd>
        </div>
        <div>
          <dt>documents</dt>
          <dd>{documents.length}</dd>
        </div>
        <div title="Came again because their answer was lost. Known by their keys: answered again, not done again.">
          <dt>sent twice, done once</dt>
          <dd data-replays={replays}>{replays}</dd>
        </div>
      </dl>
      <h3 className="list-name">What it holds</h3>
      {devices.length === 0 ? <p className="quiet">No devices{rooms.length > 0 ? `, in ${count(rooms.length, "room")}` : ""}.</p> : null}
      <ul className="documents">
        {devices.map(({ id, data, version }) => (
          <li key={id}>
            <Icon name={kindOf(data.device_type) ?? "lamp"} />
            <span className="row-name">{String(data.name ?? id)}</span>
            <span className="value">{stateInWords(data.state)}</span>
            <span className="version" title={`version ${version}`}>
              v{version}
            </span>
          </li>
        ))}
      </ul>
      <h3 className="list-name">What happened last</h3>
      <ol className="effects">
        {latest
          .slice(-LATEST)
          .toReversed()
          .map((effect) => (
            <li key={effect.seq}>
              <span className="seq">{effect.seq}</span>
              <span className="what">{effectInWords(effect, nameOf)}</span>
              <span className={`by ${effect.device}`}>{BY[effect.device] ?? "earlier"}</span>
            </li>
          ))}
      </ol>
    </div>
  );
}

const BY: Readonly<Record<string, string>> = { phone: "phone", tablet: "tablet", house: "at first" };

function effectInWords({ entityType, entityId, data }: Effect, nameOf: (id: string) => string): string {
  if (data === null) return `${entityType === "device" ? nameOf(entityId) : entityId} removed`;
  const name = String(data.name ?? entityId);
  const state = stateInWords(data.state);
  return state === "" ? name : `${name}: ${state}`;
}

interface FaultProps {
  readonly title: string;
  readonly text: string;
  readonly isOn: boolean;
  readonly onChange: (isOn: boolean) => Promise<void>;
}
function Fault({ title, text, isOn, onChange }: FaultProps) {
  return (
    <div className="fault">
      <div>
        <b>{title}</b>
        <span>{text}</span>
      </div>
      {/* What became of the wish is shown by the server's state. */}
      <Toggle label={`Server: ${title}`} tone="warn" isOn={isOn} onChange={(next) => void onChange(next).catch(() => {})} />
    </div>
  );
}

import { type FormEvent, useState, useSyncExternalStore } from "react";
import { andStay, Attention } from "./attention.tsx";
import type { DemoDevice } from "./device.ts";
import type { OpenView } from "./device-view.ts";
import { DeviceRow } from "./device-row.tsx";
import { Icon } from "./icon.tsx";
import { ProblemNotice } from "./problem-notice.tsx";
import { Queue } from "./queue.tsx";
import { Toggle } from "./toggle.tsx";
import { clockInWords, type DeviceKind, KINDS, kindOf, type Values } from "./words.ts";

const TITLES = { phone: "Phone", tablet: "Tablet" } as const;

export function DeviceCard({ device }: { readonly device: DemoDevice }) {
  const view = useSyncExternalStore(device.subscribe, device.get);
  const title = TITLES[device.name];
  const isOffline = view.phase === "open" && !view.isOnline;
  return (
    <section className={`card device ${isOffline ? "is-offline" : ""}`} aria-labelledby={device.name} data-device={device.name}>
      <div className="card-head">
        <Icon name={device.name} />
        {/* Takes the focus when what had it goes away. */}
        <h2 id={device.name} tabIndex={-1}>
          {title}
        </h2>
        {view.phase === "open" ? (
          <Toggle
            label={`${title}: network`}
            text={view.isOnline ? "Online" : view.isSwitchedOn ? "No network" : "Offline"}
            isOn={view.isSwitchedOn}
            onChange={(isOn) => device.switchNetwork(isOn)}
          />
        ) : null}
      </div>
      {view.phase === "opening" ? <p className="quiet">Opening the queue of this device …</p> : null}
      {view.phase === "broken" ? (
        <ProblemNotice problem={view.problem} action="Reload the page" onAction={() => location.reload()} />
      ) : null}
      {view.phase === "open" ? <Open device={device} view={view} /> : null}
    </section>
  );
}

function Open({ device, view }: { readonly device: DemoDevice; readonly view: OpenView }) {
  const { rooms, devices, refusal, status } = view;
  const clock = clockInWords(status.clockOffsetMs);
  const roomIds = new Set(rooms.map(({ entityId }) => entityId));
  const homeless = devices.filter(({ value }) => !roomIds.has(value?.room_id ?? ""));
  return (
    <>
      <Queue view={view} nameOf={(id) => device.nameOf(id)} onMany={() => makeMany(device, view)} onResume={() => device.resume()} />
      {refusal === null ? null : (
        <ProblemNotice problem={refusal} action="Close" onAction={andStay(device, () => device.dismissRefusal())} />
      )}
      {clock === null ? null : <p className="notice calm">{clock}</p>}
      <Attention device={device} view={view} />
      {rooms.length === 0 && devices.length === 0 ? <p className="empty">{emptyInWords(view)}</p> : null}
      {rooms.map(({ entityId, value }) => {
        const here = devices.filter((one) => one.value?.room_id === entityId);
        return (
          <div className="room" key={entityId}>
            <h3>{value?.name ?? entityId}</h3>
            {here.length === 0 ? <p className="quiet">No device here.</p> : null}
            <ul className="rows">
              {here.map((one) => (
                <DeviceRow key={one.entityId} device={device} shown={one} />
              ))}
            </ul>
          </div>
        );
      })}
      {homeless.length === 0 ? null : (
        <div className="room">
          <h3>In no room</h3>
          <ul className="rows">
            {homeless.map((one) => (
              <DeviceRow key={one.entityId} device={device} shown={one} />
            ))}
          </ul>
        </div>
      )}
      {rooms.length === 0 && !view.hasRead ? null : <AddDevice device={device} view={view} />}
    </>
  );
}

function AddDevice({ device, view }: { readonly device: DemoDevice; readonly view: OpenView }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<DeviceKind>("lamp");
  const [room, setRoom] = useState("");
  const roomId = view.rooms.some(({ entityId }) => entityId === room) ? room : view.rooms[0]?.entityId;
  const add = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim() === "") return;
    device.add(name.trim(), kind, roomId);
    setName("");
  };
  return (
    <details className="add">
      <summary>Add a device</summary>
      <form onSubmit={add}>
        <label>
          Name
          <input value={name} maxLength={60} required onChange={({ target }) => setName(target.value)} autoComplete="off" />
        </label>
        <label>
          Kind
          <select value={kind} onChange={({ target }) => setKind(target.value as DeviceKind)}>
            {Object.entries(KINDS).map(([id, one]) => (
              <option key={id} value={id}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        {roomId === undefined ? null : (
          <label>
            Room
            <select value={roomId} onChange={({ target }) => setRoom(target.value)}>
              {view.rooms.map(({ entityId, value }) => (
                <option key={entityId} value={entityId}>
                  {value?.name ?? entityId}
                </option>
              ))}
            </select>
          </label>
        )}
        <button type="submit" className="primary">
          Add
        </button>
      </form>
    </details>
  );
}

function emptyInWords({ isOnline, hasRead, isLate }: OpenView): string {
  if (hasRead) return "This home is empty. Add its first device below.";
  if (!isOnline) return "Nothing has been read from the server yet. Bring this device online once, and it knows the home from then on.";
  if (isLate) return "The server does not answer. This device goes on trying by itself, and shows the home as soon as it has been read.";
  return "Reading the home from the server …";
}

const MANY = 20;

/** Something to watch: twenty edits in a row, on whatever there is, each of which changes something. */
function makeMany(device: DemoDevice, { devices }: OpenView): void {
  const usable = devices.filter(({ value }) => kindOf(value?.device_type) !== undefined);
  for (let n = 0; n < MANY && usable.length > 0; n++) {
    const { entityId, value } = usable[n % usable.length] as (typeof usable)[number];
    const state = nextState(value?.state ?? {}, kindOf(value?.device_type) ?? "lamp", Math.floor(n / usable.length));
    device.change(entityId, state);
  }
}

function nextState({ on, target, position }: Readonly<Record<string, unknown>>, kind: DeviceKind, round: number): Values {
  switch (kind) {
    case "lamp":
      return { on: (on === true) === (round % 2 === 1) };
    case "heater":
      return { target: 18 + ((Math.max(0, Math.floor(Number(target ?? 18)) - 17) + round) % 7) };
    case "blind":
      return { position: 20 * ((Math.floor(Number(position ?? 0) / 20) + 1 + round) % 6) };
  }
}

import type { Device } from "@guardian-sync/example-home/schemas";
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import type { ListedEntity } from "guardian-sync";
import type { DemoDevice } from "./device.ts";
import { Icon } from "./icon.tsx";
import { Toggle } from "./toggle.tsx";
import { kindOf, stateInWords } from "./words.ts";

interface RowProps {
  readonly device: DemoDevice;
  readonly shown: ListedEntity<Device>;
}

export function DeviceRow({ device, shown }: RowProps) {
  const [isEditing, setEditing] = useState(false);
  const pencil = useRef<HTMLButtonElement>(null);
  const { entityId, value, syncState, pending } = shown;
  const name = value?.name ?? device.nameOf(entityId) ?? "A device";
  // Only an edit that came too late is left of it.
  const isGone = kindOf(value?.device_type) === undefined;
  const close = (): void => {
    setEditing(false);
    // Whoever came by keyboard goes on from where they were.
    requestAnimationFrame(() => pencil.current?.focus());
  };
  return (
    <li className={`row ${syncState}`} data-entity={entityId}>
      {isEditing && !isGone ? (
        <Editor name={name} labels={value?.labels ?? []} device={device} id={entityId} onClose={close} />
      ) : (
        <>
          <Icon name={kindOf(value?.device_type) ?? "lamp"} />
          <div className="row-words">
            <span className="row-name">{name}</span>
            <span className="row-state">
              <span>{isGone ? "removed elsewhere" : stateInWords(value?.state)}</span>
              <SyncNote syncState={syncState} pending={pending} isGone={isGone} />
            </span>
            {value?.labels === undefined || value.labels.length === 0 ? null : (
              <span className="labels">
                {value.labels.map((label) => (
                  <span key={label} className="label">
                    {label}
                  </span>
                ))}
              </span>
            )}
          </div>
          {isGone || value === null ? null : <Control device={device} id={entityId} value={value} name={name} />}
          {isGone ? null : (
            <button type="button" ref={pencil} className="bare" aria-label={`Rename or remove ${name}`} onClick={() => setEditing(true)}>
              <Icon name="pencil" />
            </button>
          )}
        </>
      )}
    </li>
  );
}

function SyncNote({ syncState, pending, isGone }: Pick<ListedEntity<Device>, "syncState" | "pending"> & { readonly isGone: boolean }) {
  if (syncState === "conflict") {
    const waiting = pending === 0 ? "" : `, ${pending} behind it`;
    return <span className="note conflict">{isGone ? "an edit came too late" : `two versions${waiting}`}</span>;
  }
  if (syncState === "failed") return <span className="note failed">an edit failed</span>;
  return pending === 0 ? null : <span className="note pending">{pending} pending</span>;
}

const ROUND = 10;

function Control({
  device,
  id,
  value,
  name,
}: {
  readonly device: DemoDevice;
  readonly id: string;
  readonly value: Device;
  readonly name: string;
}) {
  const { on, target, position } = (value.state ?? {}) as Readonly<Record<string, unknown>>;
  switch (kindOf(value.device_type)) {
    case "heater": {
      const now = typeof target === "number" ? target : 20;
      const set = (to: number): void => {
        const next = Math.min(30, Math.max(5, Math.round(to * ROUND) / ROUND));
        if (next !== now) device.change(id, { target: next });
      };
      return <Stepper less={`${name}: cooler`} more={`${name}: warmer`} onLess={() => set(now - 0.5)} onMore={() => set(now + 0.5)} />;
    }
    case "blind": {
      const now = typeof position === "number" ? position : 0;
      const set = (to: number): void => {
        const next = Math.min(100, Math.max(0, to));
        if (next !== now) device.change(id, { position: next });
      };
      return <Stepper less={`${name}: open more`} more={`${name}: close more`} onLess={() => set(now - 20)} onMore={() => set(now + 20)} />;
    }
    case "lamp":
    case undefined:
      return <Toggle label={name} isOn={on === true} onChange={(next) => device.change(id, { on: next })} />;
  }
}

interface StepperProps {
  readonly less: string;
  readonly more: string;
  readonly onLess: () => void;
  readonly onMore: () => void;
}
function Stepper({ less, more, onLess, onMore }: StepperProps) {
  return (
    <div className="stepper">
      <button type="button" aria-label={less} onClick={onLess}>
        −
      </button>
      <button type="button" aria-label={more} onClick={onMore}>
        +
      </button>
    </div>
  );
}

interface EditorProps {
  readonly device: DemoDevice;
  readonly id: string;
  readonly name: string;
  readonly labels: readonly string[];
  readonly onClose: () => void;
}
function Editor({ device, id, name, labels, onClose }: EditorProps) {
  const [text, setText] = useState(name);
  const [words, setWords] = useState(labels.join(", "));
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);
  const save = (event: FormEvent): void => {
    event.preventDefault();
    const next = text.trim();
    if (next !== "" && next !== name) device.rename(id, next);
    const wanted = labelsIn(words);
    if (wanted.join() !== labels.join()) device.label(id, wanted);
    onClose();
  };
  const onKeyDown = ({ key }: KeyboardEvent): void => {
    if (key === "Escape") onClose();
  };
  return (
    <form className="editor" onSubmit={save} onKeyDown={onKeyDown}>
      <input
        ref={input}
        aria-label={`New name of ${name}`}
        value={text}
        maxLength={60}
        required
        onChange={({ target }) => setText(target.value)}
      />
      <input
        aria-label={`Labels of ${name}, with commas between`}
        placeholder="Labels: warm, reading"
        value={words}
        maxLength={200}
        onChange={({ target }) => setWords(target.value)}
      />
      <div className="actions">
        <button type="submit" className="primary">
          Save
        </button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
        <button type="button" className="danger" onClick={() => device.remove(id)}>
          Remove
        </button>
      </div>
    </form>
  );
}

const MAX_LABELS = 20;
const MAX_LABEL_CHARS = 40;

function labelsIn(words: string): readonly string[] {
  const labels = words.split(",").map((word) => word.trim().slice(0, MAX_LABEL_CHARS));
  return [...new Set(labels.filter((label) => label !== ""))].slice(0, MAX_LABELS);
}

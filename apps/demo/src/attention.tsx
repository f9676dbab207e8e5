import type { ConflictedOperation, KeptOperation } from "guardian-sync";
import type { DemoDevice } from "./device.ts";
import type { OpenView } from "./device-view.ts";
import { count, editInWords, failureInWords } from "./words.ts";

const MAX_SHOWN = 3;

/** What needs a person: each with what happened, and what can be done about it. */
export function Attention({ device, view }: { readonly device: DemoDevice; readonly view: OpenView }) {
  const { failed, conflicts, merged } = view;
  return (
    <>
      {merged.length === 0 ? null : (
        <p className="notice calm" role="status" data-merged={merged.length}>
          {merged.map(({ entityId }) => device.nameOf(entityId) ?? "A device").join(", ")}: changed elsewhere at the same time. Both changes
          are kept.
        </p>
      )}
      {conflicts.map((operation) => (
        <Conflict key={operation.id} operation={operation} device={device} />
      ))}
      {failed.slice(0, MAX_SHOWN).map((operation) => (
        <div className="notice trouble" key={operation.id} data-failed={operation.id}>
          <h3>{editInWords(operation, device.nameOf(operation.entityId))}: not done</h3>
          <p>{failureInWords(operation)}</p>
          <div className="actions">
            <button type="button" onClick={andStay(device, () => device.retry(operation.id))}>
              Try again
            </button>
            <button type="button" onClick={andStay(device, () => device.discard(operation.id))}>
              Give it up
            </button>
          </div>
        </div>
      ))}
      {failed.length <= MAX_SHOWN ? null : (
        <div className="notice trouble">
          <h3>{count(failed.length - MAX_SHOWN, "more edit was", "more edits were")} not done</h3>
          <div className="actions">
            <button type="button" onClick={andStay(device, () => device.retry(...idsOf(failed)))}>
              Try all {failed.length} again
            </button>
            <button type="button" onClick={andStay(device, () => device.discard(...idsOf(failed)))}>
              Give all {failed.length} up
            </button>
          </div>
        </div>
      )}
    </>
  );
}

/** What is pressed here goes away by that: whoever came by keyboard goes on from the head of the card, not of the page. */
export function andStay({ name }: DemoDevice, act: () => void): () => void {
  return () => {
    act();
    document.getElementById(name)?.focus();
  };
}

function idsOf(operations: readonly KeptOperation[]): readonly string[] {
  return operations.map(({ id }) => id);
}

interface ConflictProps {
  readonly operation: ConflictedOperation;
  readonly device: DemoDevice;
}
function Conflict({ operation, device }: ConflictProps) {
  const { id, type, entityId, payload, server } = operation;
  const { name: mine } = (payload ?? {}) as { readonly name?: string };
  if (type !== "UPDATE" || mine === undefined || server?.value === null) {
    return (
      <div className="notice conflict" data-conflict={id}>
        <h3>{editInWords(operation, device.nameOf(entityId))}: too late</h3>
        <p>
          The device was removed elsewhere before this edit arrived, so there is nothing left to change. It is kept until you give it up.
        </p>
        <div className="actions">
          <button type="button" onClick={andStay(device, () => device.discard(id))}>
            Give it up
          </button>
        </div>
      </div>
    );
  }
  const theirs = typeof server?.value?.name === "string" ? server.value.name : undefined;
  return (
    <div className="notice conflict" data-conflict={id}>
      <h3>Two names for one device</h3>
      <p>
        You called it <b>{mine}</b>. Meanwhile it{" "}
        {theirs === undefined ? (
          "got another name"
        ) : (
          <>
            was called <b>{theirs}</b>
          </>
        )}{" "}
        elsewhere. Nothing was overwritten: both are kept until you choose. Later edits of this device wait for that; those of others do
        not.
      </p>
      <div className="actions">
        <button type="button" className="primary" onClick={andStay(device, () => device.resolve(id, "mine"))}>
          Use “{mine}”
        </button>
        <button type="button" onClick={andStay(device, () => device.resolve(id, "theirs"))}>
          {theirs === undefined ? "Keep the other" : `Keep “${theirs}”`}
        </button>
        {theirs === undefined ? null : (
          <button type="button" onClick={andStay(device, () => device.resolve(id, { merged: { name: `${theirs} (${mine})` } }))}>
            Use both: “{theirs} ({mine})”
          </button>
        )}
      </div>
    </div>
  );
}

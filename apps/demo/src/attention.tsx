import type { KeptOperation } from "guardian-sync";
import type { DemoDevice, OpenView } from "./device.ts";
import { count, editInWords, failureInWords } from "./words.ts";

const MAX_SHOWN = 3;

/** What needs a person: each with what happened, and what can be done about it. */
export function Attention({ device, view }: { readonly device: DemoDevice; readonly view: OpenView }) {
  const { failed, conflicts, devices } = view;
  const shownName = (id: string): string | undefined => devices.find(({ entityId }) => entityId === id)?.value?.name;
  return (
    <>
      {conflicts.map((operation) => (
        <Conflict key={operation.id} operation={operation} device={device} name={shownName(operation.entityId)} />
      ))}
      {failed.slice(0, MAX_SHOWN).map((operation) => (
        <div className="notice trouble" key={operation.id} data-failed={operation.id}>
          <h3>{editInWords(operation, device.nameOf(operation.entityId))}: not done</h3>
          <p>{failureInWords(operation)}</p>
          <div className="actions">
            <button type="button" onClick={() => device.retry(operation.id)}>
              Try again
            </button>
            <button type="button" onClick={() => device.discard(operation.id)}>
              Give it up
            </button>
          </div>
        </div>
      ))}
      {failed.length <= MAX_SHOWN ? null : (
        <div className="notice trouble">
          <h3>{count(failed.length - MAX_SHOWN, "more edit was", "more edits were")} not done</h3>
          <div className="actions">
            <button type="button" onClick={() => device.retry(...idsOf(failed))}>
              Try all {failed.length} again
            </button>
            <button type="button" onClick={() => device.discard(...idsOf(failed))}>
              Give all {failed.length} up
            </button>
          </div>
        </div>
      )}
    </>
  );
}

function idsOf(operations: readonly KeptOperation[]): readonly string[] {
  return operations.map(({ id }) => id);
}

interface ConflictProps {
  readonly operation: KeptOperation;
  readonly device: DemoDevice;
  /** As it is shown now; undefined: it is gone. */
  readonly name: string | undefined;
}
function Conflict({ operation, device, name }: ConflictProps) {
  const { name: mine } = (operation.payload ?? {}) as { readonly name?: string };
  const giveUp = (): void => device.discard(operation.id);
  if (operation.type !== "UPDATE" || mine === undefined || name === undefined) {
    return (
      <div className="notice conflict" data-conflict={operation.id}>
        <h3>{editInWords(operation, device.nameOf(operation.entityId))}: too late</h3>
        <p>
          The device was removed elsewhere before this edit arrived, so there is nothing left to change. It is kept until you give it up.
        </p>
        <div className="actions">
          <button type="button" onClick={giveUp}>
            Give it up
          </button>
        </div>
      </div>
    );
  }
  return (
    <div className="notice conflict" data-conflict={operation.id}>
      <h3>Two names for one device</h3>
      <p>
        You called it <b>{mine}</b>, and meanwhile it was changed elsewhere. The server has overwritten nothing: both are kept until you
        choose.
      </p>
      <div className="actions">
        <button type="button" className="primary" onClick={() => device.insist(operation)}>
          Use “{mine}”
        </button>
        <button type="button" onClick={giveUp}>
          Keep the other
        </button>
      </div>
    </div>
  );
}

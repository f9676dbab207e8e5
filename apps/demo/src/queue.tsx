import type { PendingOperation } from "guardian-sync";
import { useEffect, useState } from "react";
import type { OpenView } from "./device.ts";
import { count, editInWords, queueInWords } from "./words.ts";

const MAX_PIPS = 40;

interface QueueProps {
  readonly view: OpenView;
  readonly nameOf: (id: string) => string | undefined;
  readonly onMany: () => void;
  readonly onResume: () => void;
}

/** The queue as it fills, seals, waits and drains. What is nearest to the server is on the left. */
export function Queue({ view, nameOf, onMany, onResume }: QueueProps) {
  const { status, isOnline, devices, waiting, justDone } = view;
  const now = useNow(status.pending + status.sealed > 0);
  const { mood, text, next } = queueInWords(status, isOnline, status.failed + status.conflict, now);
  const total = status.pending + status.sealed;
  const pips = [
    ...Array.from({ length: Math.min(justDone, 12) }, () => "done"),
    ...Array.from({ length: status.sealed }, () => "sealed"),
    ...Array.from({ length: status.pending }, () => "waits"),
  ];
  const beyond = total - waiting.length;
  return (
    <div className={`queue ${mood}`} data-pending={total} data-succeeded={status.succeeded}>
      <div className="queue-words">
        <span className="mood" aria-hidden="true" />
        <p>
          <span role="status">{text}</span>
          {next === null ? null : <span className="next"> {next}</span>}
        </p>
      </div>
      {status.paused === null ? null : (
        <div className="actions">
          <button type="button" onClick={onResume}>
            Go on
          </button>
        </div>
      )}
      <div className="pips" aria-hidden="true">
        {pips.slice(0, MAX_PIPS).map((kind, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: pips have no identity but their place
          <span key={index} className={`pip ${kind}`} />
        ))}
        {pips.length > MAX_PIPS ? <span className="pip-more">+{pips.length - MAX_PIPS}</span> : null}
        {pips.length === 0 ? <span className="pip none" /> : null}
      </div>
      <div className="queue-foot">
        <span className="legend">
          <b>{status.pending}</b> waiting
          <b className="sealed">{status.sealed}</b> under way
          <b className="done">{status.succeeded}</b> done
        </span>
        <button type="button" className="small" disabled={devices.length === 0} onClick={onMany}>
          Make 20 edits
        </button>
      </div>
      {/* Always there: what comes below must not move under a finger while edits come and go. */}
      <details>
        <summary>What waits</summary>
        {total === 0 ? <p className="quiet">Nothing.</p> : null}
        <ol className="lines">
          {waiting.map((one) => (
            <li key={one.id}>
              {editInWords(one, nameOf(one.entityId))}
              <WaitNote operation={one} />
            </li>
          ))}
        </ol>
        {beyond > 0 ? <p className="quiet">and {count(beyond, "more edit")}</p> : null}
      </details>
    </div>
  );
}

function WaitNote({ operation: { state } }: { readonly operation: PendingOperation }) {
  if (state === "sealed") return <span className="note sealed">under way</span>;
  return state === "blocked" ? <span className="note failed">waits for one that failed</span> : null;
}

/** For countdowns, while there is something to count. */
function useNow(isNeeded: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isNeeded) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [isNeeded]);
  return now;
}

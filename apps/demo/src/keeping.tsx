import { useEffect, useState } from "react";

/** Whether the browser may delete the queues by itself; and asking it not to, when somebody sees why. */
export function Keeping() {
  const [isKept, setKept] = useState<boolean>();
  const [wasAsked, setAsked] = useState(false);
  useEffect(() => {
    navigator.storage?.persisted?.().then(setKept, () => {});
  }, []);
  const ask = async (): Promise<void> => {
    setKept(await navigator.storage.persist().catch(() => false));
    setAsked(true);
  };
  if (isKept === undefined) return null;
  if (isKept) return <> The browser keeps the queues until you clear this site’s data.</>;
  if (wasAsked) return <> The browser did not agree: it may delete the queues when it is short of space.</>;
  return (
    <>
      {" "}
      The browser may delete the queues when it is short of space.{" "}
      <button type="button" className="link" onClick={() => void ask()}>
        Ask it not to
      </button>
    </>
  );
}

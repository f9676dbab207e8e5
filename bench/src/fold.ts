import { benchEngine } from "./engine.ts";
import { type Row, spread } from "./measure.ts";
import { slowBackend } from "./slow-backend.ts";
import { updateOf } from "./workload.ts";

/** How many edits of one thing follow each other: single taps, a slider, a text that is typed. Mean 14.4. */
const BURSTS = [1, 3, 40, 8, 20];

/** By how much the queue shrinks before it is sent. A count, not a time: every run gives the same. */
export async function foldRow(edits: number, note: (text: string) => void): Promise<Row> {
  note(`fold: ${edits} edits`);
  const backend = await slowBackend(0);
  const engine = await benchEngine(false, backend.url);
  try {
    await engine.sync.stop();
    let sent = 0;
    engine.sync.on("sealed", () => {
      sent += 1;
    });
    const inputs = Array.from({ length: edits / BURSTS.length }, (_, thing) => thing)
      .flatMap((thing) => Array.from({ length: BURSTS[thing % BURSTS.length] as number }, () => updateOf(thing)))
      .slice(0, edits);
    for (let done = 0; done < edits; done += 1000) await engine.sync.enqueueMany(inputs.slice(done, done + 1000));
    engine.sync.start();
    const { empty } = await engine.sync.drain({ timeoutMs: 120_000 });
    if (!empty) throw new Error("the queue did not drain");
    const one = (value: number): Row["ours"] => spread([value]);
    return {
      suite: "fold",
      what: `${edits.toLocaleString("en")} edits in bursts of 1 to 40 on one thing`,
      unit: " operations sent",
      ours: one(sent),
      limit: one(edits),
      ratio: one(edits / sent),
      goal: undefined,
      met: undefined,
    };
  } finally {
    await engine.close();
    await backend.close();
  }
}

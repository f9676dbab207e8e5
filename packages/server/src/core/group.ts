/** Cuts a batch into the parts that commit or fail as one: single operations, and groups. */
import type { MalformedOperation, Operation } from "./operation.ts";
import { invalid } from "./refusal.ts";

export type Item = Operation | MalformedOperation;
export type Unit = readonly [MalformedOperation] | readonly [Operation, ...Operation[]];

export function isMalformed(item: Item): item is MalformedOperation {
  return "refusal" in item;
}

/** Neighbours with the same group belong together. A group that was torn apart cannot be one transaction: its later part is refused. */
export function unitsOf(items: readonly Item[]): readonly Unit[] {
  const units: Unit[] = [];
  const closed = new Set<string>();
  let open: [Operation, ...Operation[]] | null = null;
  for (const item of items) {
    const group = isMalformed(item) ? undefined : item.group;
    if (open !== null && group !== undefined && open[0].group === group && !isMalformed(item)) {
      open.push(item);
      continue;
    }
    if (open?.[0].group !== undefined) closed.add(open[0].group);
    open = null;
    if (isMalformed(item)) units.push([item]);
    else if (group !== undefined && closed.has(group)) {
      const refusal = invalid("group", "adjacent", "the members of a group must stand side by side in the batch", 400);
      units.push([{ key: item.key ?? "", refusal }]);
    } else {
      open = [item];
      units.push(open);
    }
  }
  return units;
}

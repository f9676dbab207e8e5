/**
 * The cycles of a directed graph, one for each knot of nodes that reach each other (Tarjan 1972), as a path that ends where it began.
 * A node that points at itself is a cycle too.
 */
export function findCycles(graph: ReadonlyMap<string, ReadonlySet<string>>): readonly (readonly string[])[] {
  const order = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];

  const visit = (node: string): number => {
    order.set(node, order.size);
    let lowest = order.size - 1;
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, order.get(next) ?? lowest);
    }
    if (lowest === order.get(node)) {
      const knot = stack.splice(stack.indexOf(node));
      if (knot.length > 1 || graph.get(node)?.has(node) === true) cycles.push(pathAround(graph, knot));
    }
    return lowest;
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return cycles;
}

/** The shortest way from the knot's first node back to itself. */
function pathAround(graph: ReadonlyMap<string, ReadonlySet<string>>, knot: readonly string[]): string[] {
  const start = knot[0] ?? "";
  const inside = new Set(knot);
  let paths: string[][] = [[start]];
  const seen = new Set<string>();
  while (paths.length > 0) {
    const longer: string[][] = [];
    for (const path of paths) {
      for (const next of graph.get(path.at(-1) ?? "") ?? []) {
        if (next === start) return [...path, start];
        if (inside.has(next) && !seen.has(next)) {
          seen.add(next);
          longer.push([...path, next]);
        }
      }
    }
    paths = longer;
  }
  return [...knot, start];
}

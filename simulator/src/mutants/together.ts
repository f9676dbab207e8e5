import { type Mutant, transportLike } from "./mutant.ts";
import { withOperations } from "../wire.ts";

export const splitsGroups: Mutant = {
  name: "a group is split",
  wrong: "members of a group are sent as operations of their own: one is refused, and the others are applied",
  transport: (inner) =>
    transportLike(inner, (request) => inner.exchange(withOperations(request, ({ group: _group, ...operation }) => operation))),
};

export const childDoesNotWait: Mutant = {
  name: "a child does not wait",
  wrong: "an operation does not say what it depends on: it is applied, though that was refused in the same request",
  transport: (inner) =>
    transportLike(inner, (request) => inner.exchange(withOperations(request, ({ depends_on: _parents, ...operation }) => operation))),
};

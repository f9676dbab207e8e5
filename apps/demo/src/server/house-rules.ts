import { homeOperations } from "@guardian-sync/example-home/server";
import { type HandlerTx, type OperationDefinition, OperationRejected } from "@guardian-sync/server";

const HOTTEST = 26;

/** The example's operations, with one rule that only the server knows: so that people see what a refusal looks like. */
export function operationsWithRule(): Readonly<Record<string, OperationDefinition>> {
  const { UPDATE_DEVICE_STATE: update, ...others } = homeOperations;
  if (update === undefined) throw new TypeError("the example has no UPDATE_DEVICE_STATE");
  const handler: OperationDefinition["handler"] = (tx: HandlerTx, input, context) => {
    const { target } = (input as { readonly state?: { readonly target?: unknown } }).state ?? {};
    if (typeof target === "number" && target > HOTTEST) {
      const details = { field: "state.target", constraint: "max" };
      throw new OperationRejected({
        status: 422,
        code: "VALIDATION_ERROR",
        message: `no radiator above ${HOTTEST}\u00a0°C in this house`,
        details,
      });
    }
    return update.handler(tx, input, context);
  };
  return { ...others, UPDATE_DEVICE_STATE: { ...update, handler } };
}

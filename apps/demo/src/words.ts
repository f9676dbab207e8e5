/** Everything that the demo says about devices and queues, in words. */
import type { EngineStatus, KeptOperation } from "guardian-sync";

export type Values = Readonly<Record<string, string | number | boolean>>;
export type DeviceKind = "lamp" | "heater" | "blind";

interface Kind {
  readonly name: string;
  readonly initial: Values;
}
export const KINDS: Readonly<Record<DeviceKind, Kind>> = {
  lamp: { name: "Lamp", initial: { on: false } },
  heater: { name: "Radiator", initial: { target: 20 } },
  blind: { name: "Blind", initial: { position: 0 } },
};

export function kindOf(text: unknown): DeviceKind | undefined {
  return typeof text === "string" && Object.hasOwn(KINDS, text) ? (text as DeviceKind) : undefined;
}

export function degrees(value: number): string {
  return `${value.toFixed(1)} °C`;
}

/** `on`, `21.5 °C`, `40 % closed`. */
export function stateInWords(state: unknown): string {
  if (typeof state !== "object" || state === null) return "";
  const { on, target, position } = state as Readonly<Record<string, unknown>>;
  if (typeof on === "boolean") return on ? "on" : "off";
  if (typeof target === "number") return degrees(target);
  if (typeof position === "number") return position === 0 ? "open" : `${position} % closed`;
  return "";
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

type Mood = "calm" | "waiting" | "busy" | "trouble";
export interface QueueWords {
  readonly mood: Mood;
  readonly text: string;
}

type Facts = Pick<EngineStatus, "state" | "reason" | "nextAttemptAt" | "pending" | "sealed" | "breaker">;

/** What the queue does now, and if it waits, what for. */
export function queueInWords(status: Facts, isOnline: boolean, nowMs: number): QueueWords {
  const { state, reason = "", pending, sealed } = status;
  const all = pending + sealed;
  const next = nextTry(status, nowMs);
  if (state === "paused") return { mood: "trouble", text: pausedInWords(reason) };
  if (all === 0) {
    return isOnline
      ? { mood: "calm", text: "Nothing waits. Everything is at the server." }
      : { mood: "calm", text: "Offline, and nothing waits. Edits will be kept here." };
  }
  if (!isOnline || reason === "offline") {
    const unsure = sealed > 0 ? ` ${count(sealed, "was", "were")} already under way, and will be asked about first.` : "";
    return { mood: "waiting", text: `Offline. ${count(all, "edit is", "edits are")} kept here until the network is back.${unsure}` };
  }
  switch (reason) {
    case "":
    case "empty":
      return { mood: "busy", text: `Sending ${count(all, "edit")}.` };
    case "backoff":
      return { mood: "waiting", text: `The last try got no good answer. Nothing is lost; next try ${next}.` };
    case "origin_failing":
      return { mood: "waiting", text: `The server has failed several times in a row. Everything is kept; next try ${next}.` };
    case "breaker_open":
      return { mood: "waiting", text: `The server keeps failing, so it is left alone for a while. One careful try ${next}.` };
    case "retry_after":
      return { mood: "waiting", text: `The server asked for patience. Next try ${next}.` };
    case "blocked":
      return { mood: "trouble", text: "Edits wait behind one that needs your decision, below." };
    case "another_process":
      return { mood: "waiting", text: "Another tab of this device is sending. This one only looks on." };
    case "signed_out":
      return { mood: "trouble", text: "Nobody is signed in, so nothing is sent." };
    default:
      return { mood: "waiting", text: `${count(all, "edit waits", "edits wait")} (${reason.replaceAll("_", " ")}); next try ${next}.` };
  }
}

function nextTry({ nextAttemptAt, breaker }: Facts, nowMs: number): string {
  const at = nextAttemptAt ?? (breaker.cooldownRemainingMs > 0 ? nowMs + breaker.cooldownRemainingMs : undefined);
  const seconds = at === undefined ? 0 : Math.ceil((at - nowMs) / 1000);
  return seconds <= 0 ? "now" : `in ${seconds} s`;
}

function pausedInWords(reason: string): string {
  if (reason === "auth_required")
    return "The server does not accept this device's token. Reload the page to sign in again; edits are kept.";
  return `Paused (${reason.replaceAll("_", " ")}). Edits are kept, and nothing is sent.`;
}

/** What an edit was about, from the edit itself. */
export function editInWords({ type, payload }: Pick<KeptOperation, "type" | "payload">, deviceName: string | undefined): string {
  const name = deviceName ?? "a device that is gone";
  const content = (typeof payload === "object" && payload !== null ? payload : {}) as Readonly<Record<string, unknown>>;
  switch (type) {
    case "CREATE":
      return `Add ${typeof content.name === "string" ? content.name : "a device"}`;
    case "DELETE":
      return `Remove ${name}`;
    case "UPDATE":
      return `Rename ${name} to ${String(content.name)}`;
    default: {
      const { state } = (content.input ?? {}) as { readonly state?: unknown };
      return `Set ${name} to ${stateInWords(state)}`;
    }
  }
}

/** Why an edit did not take effect, and what that means. */
export function failureInWords({ state, code, lastError }: Pick<KeptOperation, "state" | "code" | "lastError">): string {
  if (state === "parked") {
    return "The server never said what became of it, and can no longer tell. Look at the server's state, then decide.";
  }
  switch (code ?? "") {
    case "NOT_FOUND":
    case "RESOURCE_NOT_FOUND":
    case "ENTITY_NOT_FOUND":
    case "ENTITY_DELETED":
      return "The server said no: the device was removed meanwhile. It has not taken effect.";
    case "VALIDATION_ERROR":
      return `The server said no: the value is not valid. It has not taken effect. (${lastError ?? code})`;
    default:
      return `The server said no, and it has not taken effect. (${lastError ?? code ?? "no reason given"})`;
  }
}

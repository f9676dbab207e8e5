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

function degrees(value: number): string {
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
  /** When something is tried again. Apart, because it changes every second and a screen reader need not say each. */
  readonly next: string | null;
}

type Facts = Pick<EngineStatus, "state" | "reason" | "nextAttemptAt" | "pending" | "sealed" | "breaker" | "level">;

/** What the queue does now, and if it waits, what for. `undecided`: edits that need a person. */
export function queueInWords(status: Facts, isOnline: boolean, undecided: number, nowMs: number): QueueWords {
  const { state, reason = "", pending, sealed } = status;
  const all = pending + sealed;
  const say = (mood: Mood, text: string, next: string | null = null): QueueWords => ({ mood, text, next });
  const kept = (mood: Mood, text: string, tried = "Next try"): QueueWords => say(mood, text, `${tried} ${nextTry(status, nowMs)}.`);
  if (state === "paused") return say("trouble", pausedInWords(reason));
  if (all === 0 && undecided > 0)
    return say("trouble", `Nothing waits to be sent. ${count(undecided, "edit needs", "edits need")} your decision, below.`);
  if (all === 0 && !isOnline) return say("calm", "Offline, and nothing waits. Edits will be kept here.");
  if (all === 0 && status.level === null) return say("calm", "Nothing waits. The server has not been reached yet.");
  if (all === 0) return say("calm", "Nothing waits. Everything is at the server.");
  if (!isOnline || reason === "offline") {
    const unsure = sealed > 0 ? ` ${count(sealed, "was", "were")} already under way, and will be asked about first.` : "";
    return say("waiting", `Offline. ${count(all, "edit is", "edits are")} kept here until the network is back.${unsure}`);
  }
  switch (reason) {
    case "":
    case "empty":
      return say("busy", `Sending ${count(all, "edit")}.`);
    case "backoff":
      return kept("waiting", "The last try got no good answer. Nothing is lost.");
    case "origin_failing":
      return kept("waiting", "The server has failed several times in a row. Everything is kept.");
    case "breaker_open":
      return kept("waiting", "The server keeps failing, so it is left alone for a while.", "One careful try");
    case "retry_after":
      return kept("waiting", "The server asked for patience.");
    case "blocked":
      return say("trouble", "Edits wait behind one that needs your decision, below.");
    case "another_process":
      return say("waiting", "Another tab of this device is sending. This one only looks on.");
    case "storage_full":
      return kept("trouble", "There is no space left to note what is sent, so nothing is. Everything is kept; free some space.");
    case "code_loading":
      return say("busy", `Getting ready to send ${count(all, "edit")}.`);
    case "code_unavailable":
      return kept("trouble", "A part of this page could not be loaded. Edits are kept; if it stays so, reload the page.");
    case "signed_out":
      return say("trouble", "Nobody is signed in, so nothing is sent.");
    default:
      return kept("waiting", `${count(all, "edit waits", "edits wait")} (${reason.replaceAll("_", " ")}).`);
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
  if (reason === "mass_rejection") {
    return "The server refused so many edits in a row that something may be wrong with this app. The rest is kept, and sent when you say so.";
  }
  return `Paused (${reason.replaceAll("_", " ")}). Edits are kept, and nothing is sent.`;
}

const CLOCK_TOLERANCE_MS = 120_000;

/** A clock that is so wrong that people should know; null: it is well, or nothing is known. */
export function clockInWords(offsetMs: number | null): string | null {
  if (offsetMs === null || Math.abs(offsetMs) < CLOCK_TOLERANCE_MS) return null;
  return `This device’s clock is ${durationInWords(Math.abs(offsetMs))} ${offsetMs < 0 ? "ahead of" : "behind"} the server’s. Edits arrive all the same, and in order: no clock decides that.`;
}

function durationInWords(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  const hours = Math.round(minutes / 60);
  if (minutes < 100) return count(minutes, "minute");
  return hours < 24 ? count(hours, "hour") : count(Math.round(hours / 24), "day");
}

/** What an edit was about, from the edit itself. */
export function editInWords({ type, payload }: Pick<KeptOperation, "type" | "payload">, deviceName: string | undefined): string {
  const name = deviceName ?? "a device";
  const content = (typeof payload === "object" && payload !== null ? payload : {}) as Readonly<Record<string, unknown>>;
  switch (type) {
    case "CREATE":
      return `Add ${typeof content.name === "string" ? content.name : "a device"}`;
    case "DELETE":
      return `Remove ${name}`;
    case "UPDATE":
      if (Array.isArray(content.labels)) return `Label ${name}: ${content.labels.length === 0 ? "none" : content.labels.join(", ")}`;
      // While it waits, the page shows the new name already.
      return deviceName === content.name ? `New name: ${name}` : `Rename ${name} to ${String(content.name)}`;
    default: {
      const { state } = (content.input ?? {}) as { readonly state?: unknown };
      return `Set ${name} to ${stateInWords(state)}`;
    }
  }
}

/** Why an edit did not take effect, and what that means. */
export function failureInWords({ state, code, lastError }: Pick<KeptOperation, "state" | "code" | "lastError">): string {
  if (state === "parked") {
    return "The server never said what became of it, and can no longer tell. Look at what the server holds, then decide.";
  }
  // As the engine keeps it: code, status, and the server's own words.
  const own = /^[A-Z_]+ \d{3} (.+)$/.exec(lastError ?? "")?.[1] ?? lastError;
  const why = own === null || own === undefined ? "" : `: “${own}”`;
  return `The server said no${why} (${code ?? "no code"}). It has not taken effect, and the value before is shown again.`;
}

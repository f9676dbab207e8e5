import { SyncError } from "@guardian-sync/protocol";
import { sessionFromJwt } from "../core/session.ts";
import { DurableQueue } from "../queue/queue.ts";
import { codeOf } from "./code-of.ts";
import type { EngineContext } from "./context.ts";
import { logEvents } from "./event-log.ts";
import { Emitter } from "./events.ts";
import { Meters } from "./meters.ts";
import { type BackendOptions, type EngineOptions, type Platform, settingsOf } from "./options.ts";
import type { LoadProcessing } from "./processing-keeper.ts";
import { SessionKeeper, type SessionSource } from "./session-keeper.ts";
import { SyncEngine } from "./sync-engine.ts";
import { Watchers } from "./watchers.ts";

/**
 * Opens the store, learns who is signed in, and starts processing (unless `autoStart: false`); `load` brings the code for it.
 * Rejects with the store's code when it cannot be opened; the file is then untouched.
 */
export async function createEngine(options: EngineOptions, platform: Platform, load: LoadProcessing): Promise<SyncEngine> {
  const settings = settingsOf(options);
  const opened = await settings.store.open(platform);
  let engine: SyncEngine | undefined;
  try {
    const { logger, metrics } = settings.telemetry;
    const onHandlerError = (error: unknown): void => {
      logger.error({ event_type: "handler_failed", msg: "A listener of the app threw. The engine goes on.", code: codeOf(error) });
    };
    const events = new Emitter(() => platform.clock.now(), onHandlerError);
    logEvents(events, logger);
    const gauge = { value: 0 };
    let isProcessor = false;
    events.on("lock", ({ change }) => {
      isProcessor = change === "acquired" || change === "taken_over";
    });
    const meters = new Meters(metrics, events, () => platform.clock.now(), { pending: () => gauge.value, isProcessor: () => isProcessor });
    const queue = new DurableQueue(opened, platform.clock, platform.random, platform.hash);
    const context: EngineContext = { settings, platform, queue, events, watchers: new Watchers(onHandlerError), meters };
    const sessions = new SessionKeeper(sessionSource(settings.backend), platform.clock);
    for (const notice of opened.notices) logger.warning({ event_type: "store_notice", msg: notice.message, code: notice.code });
    engine = new SyncEngine(context, sessions, gauge, load);
    await engine.open();
    if (settings.autoStart) engine.start();
    return engine;
  } catch (error) {
    await (engine === undefined ? opened.store.close() : engine.close());
    throw error;
  }
}

function sessionSource({ session, getToken, refreshToken }: BackendOptions): SessionSource {
  if (session !== undefined) return session;
  return async ({ force }) => {
    const token = await (force && refreshToken !== undefined ? refreshToken() : getToken?.());
    if (token === null || token === undefined) return null;
    if (typeof token !== "string") throw new SyncError("OPAQUE_TOKEN", "backend.getToken must return a string or null.");
    return sessionFromJwt(token);
  };
}

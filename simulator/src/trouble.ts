import type { SeededRandom } from "guardian-sync/testing";
import type { Account } from "./model.ts";
import type { Station } from "./station.ts";
import { nextWeather } from "./weather.ts";
import type { World } from "./world.ts";

const HOUR_MS = 3_600_000;

/** Plans everything that goes wrong: on the way, in the processes, on the disks, with clocks, tokens and the server. */
export function planTrouble(world: World, stations: readonly Station[]): void {
  const random = world.random.fork("trouble");
  const { scenario, timeline } = world;
  const sometime = (times: number, happen: () => void): void => {
    for (let i = 0; i < times; i++) timeline.after(random.between(0, scenario.troubleMs), happen);
  };
  const someone = (): Station => random.pick(stations);

  for (const { device } of stations) sometime(scenario.weatherChanges, () => device.turn(nextWeather(random)));
  sometime(scenario.clientCrashes, () => crash(someone(), random));
  sometime(scenario.freezes, () => freeze(world, someone(), random));
  sometime(scenario.restarts, () => restart(world, someone(), random));
  sometime(scenario.forcedLocks, () => forceLock(world, someone(), random));
  sometime(scenario.signInChanges, () => changeSignIn(world, someone(), random));
  sometime(scenario.expiredTokens, () => {
    world.injected("token_expired");
    world.tokens.endAll(random.pick(scenario.accounts));
  });
  sometime(scenario.fullDisks, () => fillDisk(world, someone(), random));
  sometime(scenario.clockJumps, () => jumpClock(world, someone(), random));
  sometime(scenario.serverCrashes, () => crashServer(world, random));
  sometime(scenario.serverRestarts, () => restartServer(world, random));
  world.server.busy = scenario.busyHandlers;
  sometime(scenario.updates, () => update(world, someone(), random));
}

function crash({ processes }: Station, random: SeededRandom): void {
  const process = random.pick(processes);
  if (!process.isUp) return;
  // Anywhere; or where it hurts most: around a write, a send, an answer.
  const at = random.pick(["", "", "store.append", "store.commit", "store.commit", "send", "answer"]);
  const most = at === "" ? random.pick([3, 20, 60]) : 4;
  process.armCrash(random.integer(1, most), random.pick(["before", "after"]), at);
}

function freeze(world: World, { processes }: Station, random: SeededRandom): void {
  const process = random.pick(processes);
  if (!process.isUp || process.isFrozen) return;
  world.injected("client_freeze");
  process.freeze();
  world.timeline.after(random.pick([5, 60, 200, 400]) * random.between(500, 1500), () => process.thaw());
}

function restart(world: World, { processes }: Station, random: SeededRandom): void {
  const process = random.pick(processes);
  if (!process.isUp || process.isFrozen) return;
  world.injected("client_restart");
  process.act("quit", (app) => {
    void app.close().then(() => {
      process.kill("after it has stopped");
      world.timeline.after(random.between(0, 20_000), () => process.start());
    });
  });
}

/** A new version of the app, or now and then the old one again. */
function update(world: World, { device, processes }: Station, random: SeededRandom): void {
  if (device.appVersion === 2 && random.chance(0.5)) return;
  install(world, { device, processes }, device.appVersion === 1 ? 2 : 1, () => random.between(100, 20_000));
}

/** All processes of a device go, and come back with another version of the app, whatever they were doing. */
export function install(world: World, { device, processes }: Station, version: 1 | 2, downMs: () => number): void {
  device.appVersion = version;
  world.injected(version === 2 ? "app_update" : "app_downgrade");
  world.journal.write(device.name, `gets version ${version} of the app`);
  // The older app shows what the newer one has queued as well as it can.
  if (version === 1) world.operations.meddleWith(device.name);
  for (const process of processes) {
    process.kill("for another version");
    world.timeline.after(downMs(), () => process.start());
  }
}

function forceLock(world: World, { processes }: Station, random: SeededRandom): void {
  random.pick(processes).act("operator", (app) => {
    world.injected("lock_forced");
    app.forceLock();
  });
}

function changeSignIn(world: World, { device, processes }: Station, random: SeededRandom): void {
  const { accounts } = world.scenario;
  const next = random.pick([...accounts, null]);
  if (next === device.account) return;
  world.injected("sign_in_change");
  // Whoever goes is asked what becomes of their work; they do not wait for the answer.
  if (next === null && random.chance(0.5)) {
    const choice = random.pick(["send", "keep", "discard"] as const);
    random.pick(processes).act("tap", (app) => app.leave(choice));
    if (random.chance(0.7)) {
      world.timeline.after(random.between(10, 5000), () => signIn(world, { device, processes }, null, random));
      return;
    }
  }
  signIn(world, { device, processes }, next, random);
}

function signIn(world: World, { device, processes }: Station, next: Account | null, random: SeededRandom): void {
  const { accounts } = world.scenario;
  device.signIn(next);
  for (const process of processes) process.act("sign-in", (app) => app.signInChanged());
  if (next === null) {
    world.timeline.after(random.between(1000, 60_000), () => {
      if (device.account !== null) return;
      device.signIn(random.pick(accounts));
      for (const process of processes) process.act("sign-in", (app) => app.signInChanged());
    });
  }
}

function fillDisk(world: World, { device }: Station, random: SeededRandom): void {
  device.writeFaults = random.pick([0.2, 0.6, 1]);
  world.timeline.after(random.between(1000, 40_000), () => {
    device.writeFaults = 0;
  });
}

function jumpClock(world: World, { device }: Station, random: SeededRandom): void {
  const byMs = random.pick([-1, 1]) * random.pick([1000, 10 * 60_000, 3 * HOUR_MS, 26 * HOUR_MS]);
  const ofServer = random.chance(0.3);
  world.injected(ofServer ? "server_clock_jump" : "client_clock_jump");
  world.journal.write(ofServer ? "server" : device.name, `has its clock set by ${byMs / 1000} s`);
  // A server's clock goes forward only: it keeps time windows by it, as every server does, and time servers see to that.
  if (ofServer) world.serverClock.jump(Math.min(Math.abs(byMs), HOUR_MS));
  else device.clock.jump(byMs);
}

function crashServer(world: World, random: SeededRandom): void {
  world.server.armCrash(random.pick(["before", "after"]));
  const downMs = random.pick([500, 5000, 60_000]) * random.between(0.5, 1.5);
  const revive = (): void => {
    if (!world.server.isUp) {
      world.journal.write("server", "starts");
      world.server.start();
    }
  };
  world.timeline.after(downMs, revive);
  // An armed crash may come later than planned: whoever finds the server down lets it start again.
  world.timeline.after(downMs * 3, () => {
    world.server.disarm();
    revive();
  });
}

function restartServer(world: World, random: SeededRandom): void {
  if (!world.server.isUp) return;
  world.injected("server_restart");
  world.journal.write("server", "goes down");
  world.server.kill();
  world.timeline.after(random.between(100, 30_000), () => {
    world.journal.write("server", "starts");
    world.server.start();
  });
}

import { Device } from "./device.ts";
import { Process } from "./process.ts";
import type { World } from "./world.ts";

/** A device with the processes that share its disk. */
export interface Station {
  readonly device: Device;
  readonly processes: readonly Process[];
}

export function newStation(world: World, name: string, processes: number): Station {
  const device = new Device(world, name);
  return { device, processes: Array.from({ length: processes }, (_, i) => new Process(device, `${name}.p${i + 1}`)) };
}

import { machinery } from "/work/browser/simulator/src/main.ts";
import { simulate } from "/work/browser/simulator/src/simulate.ts";
import { noVersionGuard } from "/work/browser/simulator/src/mutants/view.ts";
const { store, ...slow } = noVersionGuard;
const t = process.cpuUsage().user;
for (let seed = Number(process.argv[2]); seed <= Number(process.argv[3]); seed++) {
  const r = await simulate({ seed, machinery, ...(process.argv[4] === "slow" ? { mutant: slow } : {}) });
  if (r.violations.length) console.log(seed, r.violations[0].invariant, r.violations[0].message.slice(0, 300));
}
console.log("user s per seed", ((process.cpuUsage().user - t) / 1e6 / (Number(process.argv[3]) - Number(process.argv[2]) + 1)).toFixed(3));

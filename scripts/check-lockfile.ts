// `npm ci` refuses a lockfile that lacks an optional platform package, though the `npm install` that wrote it went through;
// and a lockfile must name no registry host, because the next machine may use another one.
import { readFileSync } from "node:fs";

interface Entry {
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as { packages: Readonly<Record<string, Entry>> };

/** Whether Node, starting at `path`, would find `name` in this lockfile. */
function isReachable(path: string, name: string): boolean {
  for (let base = path; ; base = base.slice(0, Math.max(0, base.lastIndexOf("/node_modules/")))) {
    if (packages[`${base === "" ? "" : `${base}/`}node_modules/${name}`] !== undefined) return true;
    if (base === "") return false;
  }
}

const problems: string[] = [];
for (const [path, entry] of Object.entries(packages)) {
  if (/^[a-z+]+:\/\//.test(entry.resolved ?? "")) problems.push(`${path}: records the host it came from`);
  if (entry.hasInstallScript === true && entry.optional !== true) problems.push(`${path}: runs a script at install`);
  for (const name of Object.keys(entry.optionalDependencies ?? {})) {
    if (isReachable(path, name)) continue;
    problems.push(`${path || "package.json"}: optional ${name} is missing; choose a version whose platform packages are all published`);
  }
}
for (const problem of problems) console.error(problem);
console.log(`lockfile: ${Object.keys(packages).length} entries, ${problems.length} offences`);
if (problems.length > 0) process.exitCode = 1;

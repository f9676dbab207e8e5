// What the import check needs to know of a source file: what it imports, and which globals it touches.
// The parser is the one that builds and tests run on (Vite's), so comments, strings and types are never mistaken for code.
import { parseSync } from "vite";
import type { Forbiddable } from "./import-table.ts";

export interface Import {
  readonly specifier: string;
  readonly line: number;
}
export interface GlobalUse {
  readonly kind: Forbiddable;
  /** As it stands in the source: `Date.now`, `fetch`. */
  readonly text: string;
  readonly line: number;
}
export interface SourceFacts {
  /** The parser's message if the file does not parse; then the lists are incomplete. */
  readonly syntaxError?: string;
  readonly imports: readonly Import[];
  readonly globals: readonly GlobalUse[];
}

/** `globalThis` reaches all of them, so it counts as each. */
const GLOBALS: Readonly<Record<string, readonly Forbiddable[]>> = {
  performance: ["clock"],
  setTimeout: ["timers"],
  setInterval: ["timers"],
  setImmediate: ["timers"],
  queueMicrotask: ["timers"],
  requestAnimationFrame: ["timers"],
  crypto: ["random"],
  fetch: ["network"],
  WebSocket: ["network"],
  EventSource: ["network"],
  XMLHttpRequest: ["network"],
  navigator: ["network"],
  console: ["console"],
  globalThis: ["clock", "timers", "random", "network", "console"],
};

/** What of `navigator` stays on the machine: Web Locks and the space that is left. Asking whether it exists uses nothing, either. */
const LOCAL_TO_MACHINE: readonly unknown[] = ["locks", "storage"];

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

export function readSource(path: string, text: string): SourceFacts {
  const { program, errors } = parseSync(path, text);
  const imports: Import[] = [];
  const globals: GlobalUse[] = [];
  const declared = new Set<string>();
  const lineOf = (node: Node): number => text.slice(0, node.start).split("\n").length;

  walk(program as unknown as Node, (node, parent, key) => {
    const source = importSource(node);
    if (source !== undefined) imports.push({ specifier: source, line: lineOf(node) });
    for (const name of declaredNames(node)) declared.add(name);
    for (const kind of globalKinds(node, parent, key)) globals.push({ kind, text: describe(node), line: lineOf(node) });
  });
  // A port handed in as `crypto` or `fetch` is no global; the compiler (types: []) guards the rest of such a file.
  const found = { imports, globals: globals.filter((use) => !declared.has(use.text)) };
  return errors[0] === undefined ? found : { ...found, syntaxError: errors[0].message };
}

function importSource(node: Node): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "ExportNamedDeclaration":
    case "ImportExpression":
    case "TSImportType": {
      const source = node.source as { readonly value?: unknown } | null | undefined;
      return typeof source?.value === "string" ? source.value : undefined;
    }
    default:
      return undefined;
  }
}

function globalKinds(node: Node, parent: Node | undefined, key: string): readonly Forbiddable[] {
  if (node.type === "MemberExpression" && node.computed !== true) {
    const text = describe(node);
    if (text === "Date.now") return ["clock"];
    if (text === "Math.random") return ["random"];
  }
  if ((node.type === "NewExpression" || node.type === "CallExpression") && isNamed(node.callee, "Date")) {
    // `new Date(ms)` converts a given time; without an argument, or called as a function, it reads the clock.
    if (node.type === "CallExpression" || (node.arguments as readonly unknown[]).length === 0) return ["clock"];
  }
  if (node.type !== "Identifier" || isMemberName(parent, key)) return [];
  if (node.name === "navigator" && staysOnMachine(parent)) return [];
  return Object.hasOwn(GLOBALS, String(node.name)) ? (GLOBALS[String(node.name)] ?? []) : [];
}

function staysOnMachine(parent: Node | undefined): boolean {
  if (parent?.type === "UnaryExpression") return parent.operator === "typeof";
  return parent?.type === "MemberExpression" && parent.computed !== true && LOCAL_TO_MACHINE.includes((parent.property as Node).name);
}

function describe(node: Node): string {
  if (node.type === "Identifier") return String(node.name);
  if (node.type === "MemberExpression") return `${describe(node.object as Node)}.${describe(node.property as Node)}`;
  if (node.type === "NewExpression") return `new ${describe(node.callee as Node)}()`;
  if (node.type === "CallExpression") return `${describe(node.callee as Node)}()`;
  return "…";
}

function isNamed(node: unknown, name: string): boolean {
  return isNode(node) && node.type === "Identifier" && node.name === name;
}

/** The name of a member (`x.fetch`, `{ fetch: … }`, `interface { fetch(): … }`), not a reference. */
function isMemberName(parent: Node | undefined, key: string): boolean {
  if (parent === undefined || parent.computed === true) return false;
  // In the shorthand `{ fetch }` the key is such a name, and the value beside it is the reference.
  return (key === "property" && parent.type === "MemberExpression") || key === "key" || parent.type === "TSQualifiedName";
}

/** Names that `node` binds: variables, parameters, imports, functions and classes. */
function declaredNames(node: Node): string[] {
  switch (node.type) {
    case "VariableDeclarator":
    case "FunctionDeclaration":
    case "ClassDeclaration":
      return [...patternNames(node.id), ...patternNames(node.params)];
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
      return patternNames(node.local);
    case "CatchClause":
      return patternNames(node.param);
    default:
      return patternNames(node.params);
  }
}

function patternNames(pattern: unknown): string[] {
  if (Array.isArray(pattern)) return pattern.flatMap(patternNames);
  if (!isNode(pattern)) return [];
  switch (pattern.type) {
    case "Identifier":
      return [String(pattern.name)];
    case "ObjectPattern":
      return patternNames(pattern.properties);
    case "Property":
      return patternNames(pattern.value);
    case "ArrayPattern":
      return patternNames(pattern.elements);
    case "AssignmentPattern":
      return patternNames(pattern.left);
    case "RestElement":
      return patternNames(pattern.argument);
    default:
      return [];
  }
}

function walk(node: Node, visit: (node: Node, parent: Node | undefined, key: string) => void, parent?: Node, key = ""): void {
  visit(node, parent, key);
  for (const [childKey, child] of Object.entries(node)) {
    for (const one of Array.isArray(child) ? child : [child]) if (isNode(one)) walk(one, visit, node, childKey);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

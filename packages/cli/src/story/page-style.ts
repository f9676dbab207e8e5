export const PAGE_STYLE = `:root {
  color-scheme: light dark;
  --ink: light-dark(#1c2128, #e6e9ee);
  --soft: light-dark(#56606d, #a3adba);
  --paper: light-dark(#f6f7f9, #14171b);
  --card: light-dark(#ffffff, #1d2126);
  --line: light-dark(#d9dee4, #343b44);
  --good: light-dark(#1a7f47, #56d08a);
  --warn: light-dark(#9a5b00, #f0b35a);
  --bad: light-dark(#b3261e, #ff8f87);
  --link: light-dark(#0b5cad, #7cb8ff);
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 64rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.25rem 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 0.25rem; }
header p { margin: 0; color: var(--soft); }
header p.gone { color: var(--bad); }
nav { margin-left: auto; display: flex; gap: 1rem; }
a { color: var(--link); }
a:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.hint { margin: 0 0 0.5rem; color: var(--soft); }
.count { font-weight: normal; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; padding: 1rem; }
.card h3 { margin: 0; font-size: 1rem; }
.card .state { margin: 0 0 0.5rem; color: var(--soft); }
meter { width: 100%; height: 0.75rem; }
dl { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; margin: 0.5rem 0 0; }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.good { color: var(--good); }
.warn { color: var(--warn); }
.bad { color: var(--bad); font-weight: bold; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 0.5rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.35rem 0.75rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
th { font-weight: 600; color: var(--soft); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td code { font: 0.85rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
`;

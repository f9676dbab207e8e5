/** The status page. Everything in it is filled in by its script; without one it says where the same can be read. */
export const PAGE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Guardian Sync: status</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/story/page.css">
<script src="/story/page.js" defer></script>
</head>
<body>
<header>
<h1>Guardian Sync</h1>
<p id="live" role="status">Reading…</p>
<nav aria-label="Machine-readable"><a href="/health">/health</a> <a href="/metrics">/metrics</a> <a href="/metrics.json">/metrics.json</a></nav>
</header>
<main>
<noscript><p>This page needs its script. The same data: <a href="/story/state.json">state.json</a>.</p></noscript>
<section aria-labelledby="devices-title">
<h2 id="devices-title">Devices</h2>
<p class="hint">Each device's last account, and what the server counted for it.</p>
<div id="devices" class="cards"></div>
</section>
<section aria-labelledby="entities-title">
<h2 id="entities-title">Entities <span id="entity-count" class="count"></span></h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="entities-title">
<table><thead><tr><th scope="col">Type</th><th scope="col">Id</th><th scope="col" class="number">Version</th><th scope="col">Content</th></tr></thead><tbody id="entities"></tbody></table>
</div>
</section>
<section aria-labelledby="changes-title">
<h2 id="changes-title">Change feed <span id="change-count" class="count"></span></h2>
<p class="hint">The latest first. Numbers have no gaps.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="changes-title">
<table><thead><tr><th scope="col" class="number">Seq</th><th scope="col">Change</th><th scope="col">Entity</th><th scope="col" class="number">Version</th><th scope="col">From</th><th scope="col">Operation</th></tr></thead><tbody id="changes"></tbody></table>
</div>
</section>
</main>
</body>
</html>
`;

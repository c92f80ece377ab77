"use strict";
(() => {
  const EVERY = 5000;
  const ROWS = 20;
  // Mounted anywhere, with or without a slash at the end; without the credentials that an address may hold.
  const base = location.origin + location.pathname.replace(/\/*$/, "/");
  const at = (id) => document.getElementById(id);
  const whole = new Intl.NumberFormat("en");

  async function ask(path, method = "GET", body = undefined) {
    const response = await fetch(base + path, { method, body, cache: "no-store", signal: AbortSignal.timeout(15000) });
    const json = (response.headers.get("content-type") || "").includes("json");
    const answer = json ? await response.json() : await response.text();
    if (!response.ok) {
      throw new Error((json && answer.error) || `${response.status} ${response.statusText}`);
    }
    return answer;
  }

  // Whatever comes from the server becomes text, never markup.
  function element(name, text, kind) {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function row(cells) {
    const made = element("tr");
    made.append(...cells);
    return made;
  }

  const number = (value) => element("td", value, "number");

  function percent(part, all) {
    if (all === 0) return "\u2013";
    const share = (100 * part) / all;
    // What is not all never looks like all, nor what is something like nothing.
    const shown = part < all ? Math.min(share, 99.9) : share;
    return `${part > 0 && shown < 0.1 ? "<0.1" : shown.toFixed(1)} %`;
  }

  function time(seconds) {
    if (seconds === 0) return "\u2013";
    const [value, unit] = seconds < 1e-3 ? [seconds * 1e6, "\u00b5s"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
    return `${value >= 100 ? value.toFixed(0) : value.toPrecision(value < 1 ? 2 : 3)} ${unit}`;
  }

  function bytes(value) {
    const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit += 1;
    }
    return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
  }

  function facts(id, pairs) {
    at(id).replaceChildren(...pairs.flatMap(([name, value, bad]) => [element("dt", name), element("dd", value, bad ? "bad" : "")]));
  }

  const sum = (counts) => Object.values(counts).reduce((all, count) => all + count, 0);
  const plural = (count, one) => `${whole.format(count)} ${one}${count === 1 ? "" : "s"}`;

  function showStats(stats) {
    const { sql, values, slow_misses: slow } = stats;
    for (const part of document.querySelectorAll(".sql")) part.hidden = !sql;
    at("tiles").hidden = !sql;
    facts("values", [
      ["Hits", whole.format(values.hits)],
      ["Misses", whole.format(values.misses)],
      ["Joined another's load", whole.format(values.joined)],
      ["Stored", whole.format(values.sets)],
      ["Loaded, but not stored", whole.format(values.not_stored)],
      ["Deletions", whole.format(values.deletes)],
      ["Errors of the store", whole.format(values.store_errors), values.store_errors > 0],
    ]);
    if (!sql) return;
    const spared = sql.hits + sql.joined;
    const lookedUp = spared + sql.misses;
    at("hit-ratio").textContent = percent(spared, lookedUp);
    at("hit-ratio-of").textContent = lookedUp === 0 ? "no reads yet" : `of ${plural(lookedUp, "look-up")}`;
    at("hits").textContent = whole.format(sql.hits);
    at("hits-of").textContent = `${whole.format(sql.near_hits)} of them near`;
    at("misses").textContent = whole.format(sql.misses);
    at("misses-of").textContent = `${whole.format(sql.joined)} joined another`;
    at("bypasses").textContent = whole.format(sum(sql.bypasses));
    at("invalidations").textContent = whole.format(sql.invalidations);
    at("invalidations-of").textContent = `by ${plural(sql.writes, "write")}`;
    const compared = sql.freshness.checked + sql.freshness.stale;
    at("stale").textContent = percent(sql.freshness.stale, compared);
    at("stale").className = sql.freshness.stale > 0 ? "bad" : "";
    at("stale-of").textContent = compared === 0 ? "none checked yet" : `${whole.format(sql.freshness.stale)} of ${whole.format(compared)} checked`;
    showTables(sql.tables);
    showSlow(slow);
    const latency = [["near hit", "near_hit"], ["hit", "hit"], ["miss", "miss"], ["the database's part", "database"]];
    at("latency").replaceChildren(
      ...latency.map(([name, key]) => {
        const of = sql.latency[key];
        return row([element("td", name), ...["p50", "p90", "p99", "max"].map((part) => number(time(of[`${part}_seconds`])))]);
      }),
    );
    const reasons = [...new Set([...Object.keys(sql.bypasses), ...Object.keys(sql.not_stored)])].sort();
    at("reasons").replaceChildren(
      ...reasons.map((reason) =>
        row([element("td", reason.replaceAll("-", " ")), number(whole.format(sql.bypasses[reason] || 0)), number(whole.format(sql.not_stored[reason] || 0))]),
      ),
    );
    at("reasons-note").hidden = reasons.length > 0;
  }

  function showTables(tables) {
    const reads = (table) => table.hits + table.misses;
    const used = tables.filter((table) => reads(table) + table.fills > 0).sort((one, other) => reads(other) - reads(one));
    // The button that has the focus must keep it.
    const focused = document.activeElement?.dataset?.table;
    at("tables").replaceChildren(
      ...used.slice(0, ROWS).map((table) => {
        const ratio = number("");
        const bar = element("progress", undefined, "bar");
        bar.max = Math.max(reads(table), 1);
        bar.value = table.hits;
        bar.setAttribute("aria-hidden", "true");
        ratio.append(bar, percent(table.hits, reads(table)));
        const button = element("button", "Invalidate", "small");
        button.dataset.table = table.table;
        button.setAttribute("aria-label", `Invalidate ${table.table}`);
        button.addEventListener("click", () => invalidate(table.table));
        const act = element("td", undefined, "act");
        act.append(button);
        const category = element("td", table.category, "wide");
        const fills = number(whole.format(table.fills));
        fills.classList.add("wide");
        return row([element("td", table.table, "name"), category, ratio, number(whole.format(table.hits)), number(whole.format(table.misses)), fills, act]);
      }),
    );
    if (focused !== undefined) [...at("tables").querySelectorAll("button")].find((button) => button.dataset.table === focused)?.focus();
    const more = used.length - ROWS;
    at("tables-note").textContent = used.length === 0 ? "No reads yet." : `and ${plural(more, "more row")}`;
    at("tables-note").hidden = used.length > 0 && more <= 0;
  }

  function showSlow(slow) {
    at("slow").replaceChildren(
      ...slow.slice(0, 10).map((miss) => {
        const text = element("code", miss.sql);
        text.title = miss.sql;
        const statement = element("td", undefined, "statement");
        statement.append(text);
        return row([statement, element("td", miss.table ?? "", "wide"), number(whole.format(miss.count)), number(time(miss.mean_seconds)), number(time(miss.worst_seconds))]);
      }),
    );
    at("slow-note").hidden = slow.length > 0;
  }

  function showInfo(info) {
    const { health, store } = info;
    const server = store.info?.server ?? (store.info?.error ? "unknown" : "this process's memory");
    at("where").textContent = [info.version, info.database, server].filter(Boolean).join(" \u00b7 ");
    const wrong = health ? problems(health) : [];
    if (store.error) wrong.push(store.error);
    at("state").textContent = health?.breaker_open ? "store left alone" : info.caching ? "caching" : "not caching";
    at("state").className = `badge ${info.caching && wrong.length === 0 ? "good" : "bad"}`;
    const answer = (of) => (of === null || of === undefined ? "switched off" : of.error ?? `answers in ${time(of.seconds)}`);
    const lines = [];
    if (health && !health.error) {
      lines.push(["Database", answer(health.database), Boolean(health.database.error)]);
      lines.push(["Store", answer(health.store), Boolean(health.store?.error)]);
      lines.push(["Breaker", health.breaker_open ? "open: the store is left alone" : "closed", health.breaker_open]);
      lines.push(["Catalog", health.catalog ? plural(health.relations, "relation") : "not read yet", !health.catalog]);
      lines.push(["Self-test of rows", health.rows ? "passed" : "failed", !health.rows]);
      lines.push(["Undelivered invalidations", plural(health.distrusted, "table"), health.distrusted > 0]);
      if (health.session_changed) lines.push(["Session", "changed through the pool", true]);
      if (health.near) lines.push(["Near", `${plural(health.near.entries, "answer")}, ${bytes(health.near.bytes)}`]);
      if (health.memory) {
        const limit = health.memory.limit === null ? "" : ` of ${bytes(health.memory.limit)}`;
        lines.push(["Memory of the store", bytes(health.memory.used) + limit]);
      }
    } else {
      lines.push(["Store", store.healthy ? "answers" : "does not answer", !store.healthy]);
    }
    if (store.info && !store.info.error) lines.push(["Keys in the store", whole.format(store.info.keys)]);
    if (store.kept_deletions > 0) lines.push(["Deletions that wait", whole.format(store.kept_deletions), true]);
    facts("health", wrong.length > 0 && health?.error ? [["Health", health.error, true], ...lines] : lines);
    facts("settings", Object.entries(info.settings));
  }

  function problems(health) {
    if (health.error) return [health.error];
    const wrong = [];
    for (const of of [health.database, health.store]) if (of?.error) wrong.push(of.error);
    if (health.breaker_open || !health.catalog || !health.rows || health.session_changed || health.distrusted > 0) wrong.push("see health");
    return wrong;
  }

  async function showChart(place) {
    const text = await ask(`charts/${place.dataset.chart}?width=${Math.round(place.clientWidth) || 640}`);
    const drawn = text === "" ? null : new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    place.replaceChildren(drawn?.localName === "svg" ? document.importNode(drawn, true) : "Nothing to draw yet: there is a point every ten seconds.");
  }

  let since = null;

  async function refresh() {
    const told = ask("info").then(showInfo);
    try {
      showStats(await ask("stats"));
      if (!document.querySelector(".charts").hidden) await Promise.all([...document.querySelectorAll(".chart")].map(showChart));
      await told;
      since = new Date();
      at("alert").hidden = true;
      document.body.classList.remove("old");
      at("updated").textContent = `Updated at ${since.toLocaleTimeString()}, every ${EVERY / 1000} seconds.`;
    } catch (error) {
      told.catch(() => {});
      const shown = since ? ` What is shown is from ${since.toLocaleTimeString()}.` : "";
      at("alert").textContent = `No answer from the server: ${error.message}.${shown}`;
      at("alert").hidden = false;
      at("state").textContent = "no answer";
      at("state").className = "badge bad";
      document.body.classList.add("old");
    }
  }

  // One at a time; what is asked for meanwhile is done after it.
  let running = null;
  let timer = null;
  function now() {
    clearTimeout(timer);
    running = (running ?? Promise.resolve()).then(refresh).then(() => {
      clearTimeout(timer);
      timer = setTimeout(() => document.hidden || now(), EVERY);
    });
    return running;
  }
  document.addEventListener("visibilitychange", () => document.hidden || now());

  function sure(question, yes) {
    at("question").textContent = question;
    at("yes").textContent = yes;
    at("ask").showModal();
    return new Promise((resolve) => {
      at("ask").onclose = () => resolve(at("ask").returnValue === "yes");
    });
  }
  at("yes").addEventListener("click", () => at("ask").close("yes"));
  at("no").addEventListener("click", () => at("ask").close("no"));
  at("ask").addEventListener("cancel", () => (at("ask").returnValue = "no"));

  async function act(question, yes, path, said) {
    if (!(await sure(question, yes))) return;
    try {
      at("done").textContent = said(await ask(path, "POST"));
    } catch (error) {
      at("done").textContent = `It failed: ${error.message}.`;
    }
    await now();
  }

  const invalidate = (table) =>
    act(`Forget what depends on ${table}?`, "Invalidate", `invalidate/${encodeURIComponent(table)}`, () => `Forgot what depends on ${table}.`);
  at("clear").addEventListener("click", () =>
    act("Forget every answer? Until they are there again, the database answers every read.", "Forget everything", "clear", (done) => `Forgot everything: ${plural(done.deleted, "key")} deleted.`),
  );
  at("reset").addEventListener("click", () => act("Set all counters to zero?", "Set to zero", "reset-stats", () => "The counters are at zero."));

  at("explain").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      at("explanation").textContent = (await ask("explain", "POST", at("sql").value)).text;
    } catch (error) {
      at("explanation").textContent = `It failed: ${error.message}.`;
    }
  });

  now();
})();

"use strict";
const WORDS = {
  ja: {
    language: "言語", token: "トークン", use_token: "使う", one: "1 件の判定", type: "テキスト", classify: "判定する",
    many: "表の判定", paste: "表計算ソフトから貼り付け (1 行に 1 件。タブ区切りなら最初の列を読みます)", classify_all: "すべて判定する",
    private: "入力したテキストは、このサーバーのほかには送られず、記録もされません。", probability: "確率", words: "語の重み", tokens: "サブワード",
    none: "(なし)", review: "人による確認が必要です", truncated: "長すぎるため、途中までで判定しました", empty: "空のテキストです", label: "ラベル",
    text: "テキスト", download: "CSV で保存", failed: "サーバーに接続できません", for: "このラベルを支持", against: "このラベルに反対", busy: "判定中…",
  },
  en: {
    language: "Language", token: "Token", use_token: "Use", one: "One text", type: "Text", classify: "Classify",
    many: "A table", paste: "Paste from a spreadsheet (a text a line; with tabs the first column is read)", classify_all: "Classify all",
    private: "What you type is sent to this server only, and is not recorded.", probability: "Probability", words: "Weights of the words",
    tokens: "Tokens", none: "(none)", review: "A person should look at this", truncated: "Too long: only the beginning was read",
    empty: "An empty text", label: "Label", text: "Text", download: "Save as CSV", failed: "The server cannot be reached",
    for: "speaks for the label", against: "speaks against the label", busy: "Working…",
  },
};
let models = [];
let token = "";
const by = (id) => document.getElementById(id);
const word = (key) => WORDS[document.documentElement.lang][key];

function element(name, text, className) {
  const found = document.createElement(name);
  if (text !== undefined) found.textContent = text;
  if (className) found.className = className;
  return found;
}

function translate(language) {
  document.documentElement.lang = language;
  by("language").value = language;
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = word(one.dataset.text);
}

function tell(message) {
  by("problem").textContent = message;
  by("problem").hidden = !message;
}

async function call(path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const options = body === undefined ? { headers } : {
    method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error(word("failed"));
  }
  const found = await response.json();
  if (response.status === 401) by("access").hidden = false;
  if (!response.ok) throw new Error(`${found.error.code} ${found.error.message} ${found.error.hint}`);
  return found;
}

function shadedWords(text, words) {
  const line = element("p", undefined, "words");
  const largest = Math.max(...words.map((one) => Math.abs(one.weight)), 1e-9);
  const letters = Array.from(text);
  let done = 0;
  for (const one of words) {
    line.append(letters.slice(done, one.start).join(""));
    const share = Math.abs(one.weight) / largest;
    const shown = element("mark", letters.slice(one.start, one.end).join(""));
    if (share > 0.15) shown.className = (one.weight > 0 ? "for" : "against") + (share > 0.6 ? " strong" : "");
    if (share > 0.15) shown.title = `${one.weight.toFixed(2)}: ${word(one.weight > 0 ? "for" : "against")}`;
    line.append(shown);
    done = one.end;
  }
  line.append(letters.slice(done).join(""));
  return line;
}

function notes(found) {
  return ["review", "truncated", "empty"].filter((key) => found[key === "review" ? "needs_review" : key]).map((key) => word(key));
}

function probabilities(found) {
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const key of ["label", "probability"]) {
    const cell = element("th", word(key));
    cell.scope = "col";
    head.append(cell);
  }
  head.lastChild.colSpan = 2;
  const rows = table.createTBody();
  for (const [name, value] of Object.entries(found.probabilities).sort((a, b) => b[1] - a[1]).slice(0, 12)) {
    const row = rows.insertRow();
    row.append(element("td", name), element("td", value.toFixed(3), "number"));
    const bar = element("progress");
    bar.max = 1;
    bar.value = value;
    bar.setAttribute("aria-label", name);
    row.insertCell().append(bar);
  }
  return table;
}

async function classifyOne(text) {
  const cards = [];
  for (const model of models) {
    const card = element("div", undefined, "card");
    card.append(element("h3", `${model.name} ${model.version}`));
    const found = (await call("/v1/predict", { text, model: model.name })).results[0];
    card.append(element("p", found.labels.join(", ") || word("none"), "label"));
    for (const note of notes(found)) card.append(element("p", note, "note"));
    card.append(probabilities(found));
    if (text.trim() && Array.from(text).length <= 500) {
      const [why, cut] = await Promise.all([
        call("/v1/explain", { text, model: model.name }), call("/v1/tokens", { text, model: model.name }),
      ]);
      card.append(element("h3", word("words")), shadedWords(text, why.results[0].words));
      card.append(element("h3", word("tokens")), element("p", cut.results[0].tokens.map((one) => one.piece).join(" "), "note"));
    }
    cards.push(card);
  }
  by("one-result").replaceChildren(...cards);
}

function csvCell(value) {
  // A spreadsheet would run what starts like a formula.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

async function classifyAll(lines) {
  const texts = lines.split(/\r?\n/).map((line) => line.split("\t")[0]).filter((line) => line.trim());
  if (!texts.length) return;
  const answers = [];
  for (const model of models) {
    const found = [];
    for (let start = 0; start < texts.length; start += 100) {
      found.push(...(await call("/v1/predict", { texts: texts.slice(start, start + 100), model: model.name })).results);
    }
    answers.push(found);
  }
  const columns = [word("text"), ...models.flatMap((one) => [`${word("label")} (${one.name})`, word("probability")])];
  const rows = texts.map((text, number) => [text, ...answers.flatMap((found) => {
    const one = found[number];
    const best = one.labels.map((name) => one.probabilities[name].toFixed(3));
    return [one.labels.join("|") || word("none"), best.join("|")];
  })]);
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const name of columns) {
    const cell = element("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    cells.forEach((cell, place) => row.append(element("td", cell, place && place % 2 === 0 ? "number" : "")));
  }
  const save = element("button", word("download"));
  save.type = "button";
  save.addEventListener("click", () => {
    const written = [columns, ...rows].map((cells) => cells.map(csvCell).join(",")).join("\r\n");
    const link = element("a");
    link.href = URL.createObjectURL(new Blob(["\ufeff", written, "\r\n"], { type: "text/csv" }));
    link.download = "predicted.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  const scrolled = element("div", undefined, "table");
  scrolled.tabIndex = 0;
  scrolled.setAttribute("role", "region");
  scrolled.setAttribute("aria-label", word("many"));
  scrolled.append(table);
  by("many-result").replaceChildren(scrolled, save);
}

function onSubmit(id, work) {
  by(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    tell("");
    const button = event.submitter ?? by(id).querySelector("button");
    const name = button.textContent;
    button.disabled = true;
    button.textContent = word("busy");
    try {
      await work();
    } catch (error) {
      tell(error.message);
    }
    button.disabled = false;
    button.textContent = name;
  });
}

async function start() {
  models = (await call("/v1/model")).models;
  by("models").textContent = models.map((one) => `${one.name} ${one.version}: ${one.labels.slice(0, 8).join(", ")}`).join(" / ");
}

by("language").addEventListener("change", (event) => translate(event.target.value));
onSubmit("one", () => classifyOne(by("text").value));
onSubmit("many", () => classifyAll(by("lines").value));
onSubmit("access", async () => {
  token = by("token").value;
  await start();
  by("access").hidden = true;
});
translate(navigator.language.startsWith("ja") ? "ja" : "en");
// Behind the #, which no browser sends and no server logs.
const asked = new URLSearchParams(location.hash.slice(1)).get("text");
start().then(() => {
  if (asked) {
    by("text").value = asked;
    return classifyOne(asked);
  }
  return undefined;
}).catch((error) => tell(error.message));

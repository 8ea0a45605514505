"use strict";
function reveal() {
  const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place) return;
  for (let one = place; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
  if (place.tagName === "DETAILS") { place.scrollIntoView(); place.querySelector("summary").focus(); }
}
addEventListener("hashchange", reveal);
addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.getAttribute("href") === location.hash) setTimeout(reveal);
});
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details:not([open]):not(.data)")) { one.open = true; one.dataset.printed = ""; }
});
addEventListener("afterprint", () => {
  for (const one of document.querySelectorAll("details[data-printed]")) { one.open = false; delete one.dataset.printed; }
});
for (const explorer of document.querySelectorAll(".explorer")) {
  const points = JSON.parse(explorer.dataset.points);
  const input = explorer.querySelector("input");
  const cursor = explorer.parentElement.querySelector(".cursor");
  const show = () => {
    const point = points[input.value];
    const shown = [point[0].toFixed(2), point[1].toFixed(3), point[2].toFixed(3), point[3].toFixed(3),
      point[4].toLocaleString("en")];
    explorer.querySelectorAll("b").forEach((place, number) => { place.textContent = shown[number]; });
    input.setAttribute("aria-valuetext", explorer.querySelector("output").textContent);
    if (cursor) {
      const left = Number(explorer.dataset.left), right = Number(explorer.dataset.right);
      const x = left + point[0] * (right - left);
      cursor.setAttribute("x1", x); cursor.setAttribute("x2", x);
    }
  };
  input.addEventListener("input", show);
  explorer.hidden = false;
  show();
}
reveal();

"use strict";
// What this website does with webmon beyond its one script tag. Calls are queued until w.js has arrived.
window.webmon = window.webmon || function () { (window.webmon.q = window.webmon.q || []).push(arguments); };

for (const button of document.querySelectorAll("[data-privacy-choices]")) {
  button.addEventListener("click", () => window.webmon.consent && window.webmon.consent.show());
}

// An event by markup: w.js tells of the click, this website only answers it.
for (const button of document.querySelectorAll("[data-hours]")) {
  button.addEventListener("click", () => button.replaceWith(button.dataset.hours));
}

// Sign-in and sign-out: the backend has said so, the page passes it on.
const { loginToken, signedOut } = document.body.dataset;
if (loginToken) {
  window.webmon("login", loginToken);
  history.replaceState(history.state, "", "/account");
}
if (signedOut !== undefined) {
  window.webmon("logout");
  history.replaceState(history.state, "", "/sign-in");
}

// A login token is used once and soon expires: a fresh one for each look at what is held.
for (const form of document.querySelectorAll("form[data-held]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const tab = window.open("", "webmon-held");
    const answer = await fetch(form.dataset.held, { method: "POST", headers: { "X-CSRFToken": form.dataset.csrf } });
    form.elements.token.value = (await answer.json()).token;
    form.target = tab ? "webmon-held" : "_self";
    form.submit();
  });
}

// The guide changes its address without loading a page.
const guide = document.querySelector("[data-guide]");
const showStep = (name) => {
  for (const link of guide.querySelectorAll("a")) {
    if (link.dataset.step === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const step of document.querySelectorAll(".step")) step.hidden = step.id !== `step-${name}`;
  document.title = `${document.querySelector(`#step-${name} h2`).textContent} · Demo Clinic`;
};
if (guide) {
  guide.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-step]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    showStep(link.dataset.step);
    history.pushState({ step: link.dataset.step }, "", link.href);
  });
  addEventListener("popstate", () => showStep(location.pathname.split("/")[2] || "prepare"));
}

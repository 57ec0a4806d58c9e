// What the staff and visitors' pages do beyond plain HTML; all of them work without it.

for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
  const said = button.textContent ?? "";
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy ?? "");
    try {
      await navigator.clipboard.writeText(source?.textContent ?? "");
      button.textContent = "Copied";
    } catch {
      getSelection()?.selectAllChildren(source ?? button);
      button.textContent = "Selected: now copy";
    }
    setTimeout(() => (button.textContent = said), 2000);
  });
}

for (const form of document.querySelectorAll<HTMLFormElement>("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault();
  });
}

// A long form that was begun is not left by accident.
for (const form of document.querySelectorAll<HTMLFormElement>("form[data-unsaved]")) {
  let changed = false;
  form.addEventListener("input", () => (changed = true));
  form.addEventListener("submit", () => (changed = false));
  addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
}

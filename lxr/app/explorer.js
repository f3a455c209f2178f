// Runs once in a page with an explorer: what widgets do not tell assistive technology, copying, and, on a page of Voilà,
// the address of the page and the end of its kernel.
if (!window.lxrExplorer) {
  window.lxrExplorer = true;
  const all = (selector) => document.querySelectorAll(`.lxr-app ${selector}`);
  const set = (element, name, value) => element.getAttribute(name) === value || element.setAttribute(name, value);
  const dress = () => {
    for (const each of all(".lxr-live")) set(each, "aria-live", "polite");
    for (const each of all(".widget-toggle-button")) set(each, "aria-pressed", String(each.classList.contains("mod-active")));
    for (const each of all(":is(.widget-combobox, .widget-text) input")) {
      set(each, "aria-label", each.placeholder || each.closest("[title]")?.title || "");
    }
    for (const each of all("button[title]")) if (each.textContent.length === 1) set(each, "aria-label", each.title);
    const link = document.querySelector("a.lxr-link");
    if (link && location.search !== link.search) history.replaceState(null, "", link.search);
  };
  let isWaiting = false;
  new MutationObserver(() => {
    if (!isWaiting) requestAnimationFrame(() => { isWaiting = false; dress(); });
    isWaiting = true;
  }).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "href"] });
  dress();

  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".lxr-copy");
    if (!button) return;
    const text = button.parentElement.querySelector(".lxr-text");
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.nextElementSibling.textContent = "Copied.";
    } catch {
      text.hidden = false;
      getSelection().selectAllChildren(text);
      button.nextElementSibling.textContent = "Press Ctrl+C to copy.";
    }
  });

  const watch = async () => {
    const { baseUrl, kernelId } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    const state = async () => {
      const answer = await fetch(`${baseUrl}api/kernels/${kernelId}`, { cache: "no-store" });
      return answer.ok ? (await answer.json()).execution_state : "dead";
    };
    while (await state().catch(() => "dead") !== "dead" || await state().catch(() => "dead") !== "dead") {
      await new Promise((resume) => setTimeout(resume, 3000));
    }
    const note = document.createElement("div");
    note.id = "lxr-ended";
    note.setAttribute("role", "alert");
    note.innerHTML = "The program behind this page has ended. <button>Reload the page</button>";
    note.querySelector("button").onclick = () => location.reload();
    document.body.append(note);
  };
  if (document.body.dataset.voila) {
    document.documentElement.lang = "en";
    document.title = document.querySelector(".lxr-title h1")?.textContent ?? document.title;
    if (!/(^|; )_xsrf=/.test(document.cookie)) { // the cookie with which the farewell of the page may end its kernel
      const digits = [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0"));
      document.cookie = `_xsrf=${digits.join("")}; path=/; SameSite=Strict`;
    }
    watch();
  }
}

"""Settings of Voilà for `make app`: every visit has a kernel of its own, and none outlives its page."""

from nbformat.v4 import new_markdown_cell

c = get_config()  # noqa: F821 (Jupyter puts it there)

# Says when the kernel of the page has ended, and offers to begin again.
WATCH = """<script>
(async () => {
  const config = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const state = async () => {
    const answer = await fetch(`${config.baseUrl}api/kernels/${config.kernelId}`, {cache: "no-store"});
    return answer.ok ? (await answer.json()).execution_state : "dead";
  };
  while (await state().catch(() => "dead") !== "dead" || await state().catch(() => "dead") !== "dead") {
    await new Promise((resume) => setTimeout(resume, 3000));
  }
  const note = document.createElement("div");
  note.id = "lxr-ended";
  note.setAttribute("role", "alert");
  note.style = "position: fixed; top: 0; left: 0; right: 0; z-index: 1000; padding: 12px; text-align: center; " +
    "background: #fff3cd; color: #222; border-bottom: 1px solid #c8a000; font: 15px/1.5 sans-serif";
  note.innerHTML = "The program behind this page has ended. <button>Reload the page</button>";
  note.querySelector("button").onclick = () => location.reload();
  document.body.append(note);
})();
</script>"""


def prepare(handler, notebook, cwd):
    """Give the page the cookie with which its farewell may end the kernel, and the watch."""
    assert handler.xsrf_token  # asking for it sets the cookie
    notebook.cells.append(new_markdown_cell(WATCH))


c.VoilaConfiguration.prelaunch_hook = prepare

# A page that is closed ends its kernel. Where it cannot (a browser that is killed, a page closed while it loads), the
# kernel is ended after five minutes without a page.
c.MappingKernelManager.cull_idle_timeout = 300
c.MappingKernelManager.cull_interval = 60

# A kernel that dies stays dead: another one in its place would know nothing of what the page shows.
c.KernelRestarter.restart_limit = 0

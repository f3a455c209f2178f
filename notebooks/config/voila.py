"""Settings of Voilà for `make app`: a kernel waits for each visit, every visit has its own, and none outlives its page."""

c = get_config()  # noqa: F821 (Jupyter puts it there)

c.VoilaConfiguration.extension_language_mapping = {".py": "python"}
c.VoilaConfiguration.extension_allowlist = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]

# The next two visitors find kernels that have read everything already, each about 320 MB. Another one starts a while after a
# visit, and does not slow down the page that is being opened.
c.VoilaConfiguration.preheat_kernel = True
c.VoilaConfiguration.default_pool_size = 2
c.VoilaKernelManager.fill_delay = 2

# The page loads from this server alone: the template's links to style sheets elsewhere are not followed.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' ws: wss:; frame-ancestors 'self'"
c.Voila.tornado_settings = {"headers": {"Content-Security-Policy": POLICY}}

# A page that is closed ends its kernel. Where it cannot (a browser that is killed, a page closed while it loads), the
# kernel is ended after five minutes without a page.
c.MappingKernelManager.cull_idle_timeout = 300
c.MappingKernelManager.cull_interval = 60

# A kernel that dies stays dead: another one in its place would know nothing of what the page shows.
c.KernelRestarter.restart_limit = 0

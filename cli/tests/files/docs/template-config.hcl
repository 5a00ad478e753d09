# After agent-and-proxy/agent/template, global configuration.
template_config {
  exit_on_retry_failure = true
  static_secret_render_interval = "7m"
}

# After agent-and-proxy/agent/template, its example with `error_on_missing_key`, alone and with `template_config`.
template_config {
  exit_on_retry_failure = true
  static_secret_render_interval = "7m"
}

template {
  source      = "/tmp/shop/a.ctmpl"
  destination = "/tmp/shop/a"
  error_on_missing_key = true
}

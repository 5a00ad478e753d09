# After agent-and-proxy/agent/template, templates for files: one from a file, one in place.
template_config {
  static_secret_render_interval = "7m"
  exit_on_retry_failure = true
}

template {
  source      = "/tmp/shop/a.ctmpl"
  destination = "/tmp/shop/a"
}

template {
  contents     = "{{ with secret \"secret/shop\" }}{{ .Data.data.key }}{{ end }}"
  destination  = "/tmp/shop/b"
}

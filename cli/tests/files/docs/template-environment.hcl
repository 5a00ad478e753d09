# After agent-and-proxy/agent/template, templates for environment variables.
template_config {
  static_secret_render_interval = "7m"
  exit_on_retry_failure = true
}

env_template "SHOP_KEY" {
  contents = "{{ with secret \"secret/shop\" }}{{ .Data.data.key }}{{ end }}"
}

env_template "SHOP_CERTIFICATE" {
  source = "/tmp/shop/a.ctmpl"
}

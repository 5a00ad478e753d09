# After agent-and-proxy/agent/generate-config, and agent-and-proxy/agent/process-supervisor, which shows the same keys:
# a token file, values for a child process.
auto_auth {

  method {
    type = "token_file"

    config {
      token_file_path = "/home/me/first-token"
    }
  }
}

template_config {
  static_secret_render_interval = "7m"
  exit_on_retry_failure         = true
}

vault {
  address = "http://localhost:8200"
}

env_template "DB_PASSWORD" {
  contents             = "{{ with secret \"secret/data/db\" }}{{ .Data.data.password }}{{ end }}"
  error_on_missing_key = true
}
env_template "DB_USER" {
  contents             = "{{ with secret \"secret/data/db\" }}{{ .Data.data.user }}{{ end }}"
  error_on_missing_key = true
}

exec {
  command                   = ["./serve", "one", "two"]
  restart_on_secret_changes = "always"
  restart_stop_signal       = "SIGTERM"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/etc/app/role-id"
      secret_id_file_path = "/etc/app/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
  sink "file" {
    config = { path = "/run/app/token"  mode = 0600 }
  }
}

env_template "APP_PASSWORD" {
  contents = <<EOT
{{- with secret "secret/data/app" -}}
{{ .Data.data.password | trimSpace }}
{{- end -}}
EOT
}
env_template "APP_TOKEN" {
  contents             = "<< with secret \"auth/token/lookup-self\" >><< .Data.id >><< end >>"
  left_delimiter       = "<<"
  right_delimiter      = ">>"
  error_on_missing_key = false
}

exec {
  command                   = ["/usr/bin/app", "--serve"]
  restart_on_secret_changes = "always"
  restart_stop_signal       = "SIGINT"
  stop_within               = "1m"
  ready                     = ["curl", "-fsS", "http://127.0.0.1:8080/health"]
  ready_within              = "20s"
  restart_on_failure        = 5
}

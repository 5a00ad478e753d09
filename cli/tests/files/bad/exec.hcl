auto_auth {
  method "approle" {
    config = {
      role_id_file_path = "/etc/app/role-id"
    }
  }
  sink "file" {
    config = { path = "/run/app/token"  mode = 0600 }
  }
}
exit_after_auth = true

env_template "A" { contents = "{{ with secret \"secret/data/app\" }}{{ .Data.data.a | parseJSON }}{{ end }}" }
env_template "B" {
  contents = <<EOT
first
{{ key "b" }}
EOT
}
env_template "C" { contents = "{{ secret \"pki/issue/app\" \"ttl=1h\" }}" }
env_template "D=" { contents = "d" }
env_template "E" { contents = "{{ if }}" }
env_template "F" { contents = "f" }
env_template "F" { contents = "{{ secret \"/v1/secret/app\" }}" }
env_template "F" { contents = "g" }

exec {
  command                  = []
  restart_stop_signal      = "SIGNAL"
  restart_on_failure       = -1
  ready                    = [""]
  signal_on_secret_changes = "HUP"
  rotation                 = "nobody"
}

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
exec {
  command                   = ["/usr/bin/app"]
  restart_on_secret_changes = "never"
  ready                     = ["true"]
}

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
env_template "A" { contents = "a" }

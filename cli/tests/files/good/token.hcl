vault { address = "http://127.0.0.1:8200" }
auto_auth {
  method "token_file" { config { token_file_path = "/etc/app/first-token" } }
  sink "file" { config { path = "/run/app/token" } }
}
rotation "app" {
  provider = "vault-token"
  role     = "app"
  adopt    = "own"
  probe "secret/data/app" {}
}

vault { address = "https://bao.example:8200" }
auto_auth {
  method "token_file" { config = { token_file_path = "/etc/shop/first-token" } }
  sink "file" { config = { path = "/run/shop/token" } }
}
rotation {
  provider = "vault-token"
  role     = "shop"
}

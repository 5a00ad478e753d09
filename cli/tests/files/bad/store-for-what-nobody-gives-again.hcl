vault { address = "https://bao.example:8200" }
auto_auth {
  method "token_file" { config = { token_file_path = "/etc/shop/first" } }
  sink "file" { config = { path = "/run/shop/token" } }
}
rotation "shop" {
  provider = "vault-token"
  role     = "shop"
  adopt    = "own"
  store    = "bootstrap"
  probe "secret/data/shop" {}
}

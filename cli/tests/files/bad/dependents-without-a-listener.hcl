vault { address = "https://bao.example:8200" }
auto_auth {
  method "kubernetes" { config = { role = "shop" } }
  sink "file" { config = { path = "/run/shop/token" } }
}
rotation "shop" {
  dependents = "cut"
  probe "secret/data/shop" {}
}

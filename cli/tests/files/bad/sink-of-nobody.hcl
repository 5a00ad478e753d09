vault { address = "https://bao.example:8200" }
auto_auth {
  method "kubernetes" { config = { role = "shop" } }
  sink "file" { config = { path = "/run/shop/token" } }
}
rotation "shop" {
  probe "secret/data/shop" {}
}
rotation "other" {
  probe "secret/data/shop" {}
  sink "file" { config = { path = "/run/shop/token" } }
}
rotation {}

auto_auth {
  method "kubernetes" { config = { role = "shop" } }
  sink "file" { config = { path = "/run/shop/token" } }
}

vault { address = "https://me:swordfish@bao.example:8200" }
auto_auth {
  method "kubernetes" { config = { role = "shop" } }
  sink "file" { config = { path = "/run/shop/token" } }
}

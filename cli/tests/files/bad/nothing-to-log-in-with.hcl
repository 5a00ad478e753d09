vault { address = "https://bao.example:8200" }
auto_auth {
  method "approle" {
    config = {}
  }
  sink "file" { config = { path = "/run/shop/token" } }
}

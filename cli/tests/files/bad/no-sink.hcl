vault { address = "https://bao.example:8200" }
auto_auth {
  method "kubernetes" { config = { role = "shop" } }
}

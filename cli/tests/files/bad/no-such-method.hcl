vault { address = "https://bao.example:8200" }
auto_auth {
  method "aprole" {}
  method {}
}

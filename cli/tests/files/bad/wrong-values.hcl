vault {
  address         = 8200
  tls_skip_verify = true
}
auto_auth {
  method "approle" {
    min_backoff = "soon"
    exit_on_err = "perhaps"
    config      = "role"
  }
  sink "file" "other" {
    config { path = "/run/shop/token" }
  }
}
rotation "shop" {
  provider = "vault"
  every    = "12 parsecs"
}
vault {
  address = "https://bao.example:8200"
}

vault { address = "unix:///run/bao/bao.sock" }
auto_auth {
  method "kubernetes" { config { role = "payments" } }
  sink "file" { rotation = "payments" config { path = "/run/payments/token" } }
}
rotation "payments" {
  provider     = "vault-login"
  every        = "6h"
  life         = "30m"
  login_life   = "2h"
  probe "secret/data/app" { capability = "read"  max_latency = "500ms" }
  probe "secret/data/other" {}
  validate_for = "20s"
  grace        = "5m"
  on_stop      = "revoke"
  timeout      = "4s"
  start_spread = 0
}
journal { path = "/var/lib/payments" }
